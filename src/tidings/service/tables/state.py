"""State: what a service keeps for itself, by key.

    balances = bank.state(Account)

    @bank.on
    async def deposit(paid: Deposited) -> None:
        account = balances.get(paid.account_id, Account())
        balances[paid.account_id] = Account(account.balance + paid.amount)

It is read as a table is, and changed by the service's handlers: each that of its own record's key, so that the order of
a key is that of its state too. What a handler changes is written with what it emits and with the position of the
record, all of it or nothing, to a compacted stream, the changelog (`<service>.<name>.changelog`):

    key              as the record's, byte for byte
    value            the row as JSON; none where it was removed
    change_id        names the change: the same one when the record is handled again
    change_cause     the id of the event that was handled
    change_type      the row's type

The changelog is the state; the local file is a replica of it, made by reading it. So the file never holds what was not
committed, and on another machine there is the same file a little later. What is written and was not read back yet is
remembered here, so that handlers read what they wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tidings.errors import DeclarationError
from tidings.events.declaration import EventType, check_stream_name
from tidings.events.envelope import Headers
from tidings.events.ids import derived_id
from tidings.events.keys import encode_key
from tidings.events.serdes import DecodeError, codec_for
from tidings.service.handled import Handled, handled
from tidings.service.lanes import InHand
from tidings.service.partitioner import partition_of
from tidings.service.tables import following
from tidings.service.tables.replica import Row, StoredKey, stored_key
from tidings.service.tables.table import Table
from tidings.service.transports.base import Outgoing, Place, Received, StreamSpec

T = TypeVar("T")

CHANGE_ID = "change_id"
CHANGE_CAUSE = "change_cause"
CHANGE_TYPE = "change_type"

DAY_MS = 86_400_000
REMOVALS_KEPT_MS = 7 * DAY_MS
CONFIGS: Mapping[str, str] = {
    "cleanup.policy": "compact",
    "delete.retention.ms": str(REMOVALS_KEPT_MS),
    "min.cleanable.dirty.ratio": "0.1",
}
"""The less of a changelog is superseded, the sooner it is read."""


class Change(NamedTuple):
    """What was handled and is not read back yet."""

    id: str
    value: bytes | None
    """The row it made; None where it removed it."""
    place: Place
    """Of the record that was handled."""


PENDING_MAX = 50_000
"""Changes that were handled and not read back, before no more records are handled."""

_UNTOUCHED = object()


class State(Table[T]):
    """What a service keeps for itself: read like a table; its handlers write `state[key] = row` and `del state[key]`.

    A handler reads what was written before it, committed or not; all others, and iteration, `len`, `where` and `sql`
    everywhere, see what is committed. A process has the rows of those partitions that it owns; with `standby` those of
    all, so that it can take over without restoring anything.
    """

    def __init__(
        self,
        service: str,
        name: str,
        cls: type[T],
        folder: Callable[[], Path],
        indexes: Collection[str] = (),
        *,
        standby: bool = False,
    ) -> None:
        changelog = f"{service}.{name}.changelog"
        check_stream_name(changelog)
        declared = EventType(cls, changelog, name, codec_for(cls), lambda event: None)
        super().__init__(declared, folder, indexes, partitioned=not standby)
        self._service = service
        self._pending: dict[StoredKey, list[Change]] = {}
        """What was handled and not read back yet, the latest last. Changed on the loop; threads look at the last."""
        self._pending_count = 0
        self._in_hand: dict[StoredKey, InHand] = {}
        """Who of those that are being handled has changed a key last: in a batch, several may be of one key."""

    @property
    def _name(self) -> str:
        return self.declared.stream.removesuffix(".changelog")

    def changelog(self, partitions: int) -> StreamSpec:
        """The stream it is kept in."""
        return StreamSpec(self.declared.stream, partitions, CONFIGS)

    @property
    def copartitioned(self) -> bool:
        return True

    # Changing.

    def __setitem__(self, key: object, row: T) -> None:
        """Set the row of the key that is being handled.

        Raises DeclarationError outside a handler of its service, for another key, and for a row of another type;
        EncodeError for one that cannot be written.
        """
        if not isinstance(row, self.declared.cls):
            raise DeclarationError(f"{self!r} holds {self.declared.cls.__name__}, not {type(row).__name__}")
        self._change(key, self.declared.encode(row))

    def __delitem__(self, key: object) -> None:
        """Remove the row of the key that is being handled. Raises KeyError if there is none, and as setting does."""
        current, name = self._handled_with(key)
        if self._find(stored_key(name)) is None:
            raise KeyError(key)
        self._write(current, name, None)

    def _change(self, key: object, value: bytes | None) -> None:
        current, name = self._handled_with(key)
        self._write(current, name, value)

    def _handled_with(self, key: object) -> tuple[Handled, bytes]:
        """The handling that this is part of, and the key as bytes. Raises DeclarationError if it may not change it."""
        current = handled()
        if current is None or current.is_over or current.service != self._service:
            raise DeclarationError(f"{self!r} is changed by the handlers of {self._service}, and nobody else")
        if not current.handler.ordered:
            raise DeclarationError(f"{current.handler.name} keeps no order (ordered=False), and so no state: {self!r}")
        name = encode_key(key)
        received = current.item.received
        if name != received.key:
            own = "none" if received.key is None else repr(stored_key(received.key))
            raise DeclarationError(
                f"{current.handler.name} handles a record with key {own}, and so may not change {self!r} at {key!r}: "
                "others may be at that at the same time. Emit an event with that key, and change it where it is handled"
            )
        if self._ownership is not None:
            partition = partition_of(name, self._ownership.count)
            if partition != received.partition:
                raise DeclarationError(
                    f"{key!r} belongs in partition {partition}, but {received.stream} has it in {received.partition}: "
                    "its producer must place keys as Java's client does (partitioner=murmur2_random in librdkafka)"
                )
        return current, name

    def _write(self, current: Handled, key: bytes, value: bytes | None) -> None:
        """Kept with the record in hand: whatever becomes of that becomes of the change."""
        outputs = current.item.outputs
        cause = current.as_record().id
        headers: Headers = [
            (CHANGE_ID, derived_id(cause, self._service, self.declared.stream, len(outputs)).encode()),
            (CHANGE_CAUSE, cause.encode()),
            (CHANGE_TYPE, self.declared.name.encode()),
        ]
        outputs.append(Outgoing(self.declared.stream, key, value, headers))
        self._in_hand[stored_key(key)] = current.item

    # What is not in the file yet.

    def _find(self, key: StoredKey) -> T | None:
        value = self._unread(key)
        if value is _UNTOUCHED:
            return super()._find(key)
        return None if value is None else self.declared.decode(value)

    def _unread(self, key: StoredKey) -> Any:
        """The value that was last written, as long as it was not read back; _UNTOUCHED if there is no such thing."""
        current = handled()
        if current is None or current.is_over or current.service != self._service:
            return _UNTOUCHED
        item = self._in_hand.get(key)
        for output in () if item is None else reversed(item.outputs):
            if output.stream == self.declared.stream and stored_key(output.key or b"") == key:
                return output.value
        try:
            return self._pending[key][-1].value
        except LookupError:
            return _UNTOUCHED

    def let_go(self, item: InHand) -> None:
        """It is not being handled any more: of what it has changed, `keep` was told."""
        key = stored_key(item.received.key or b"")
        if self._in_hand.get(key) is item:
            del self._in_hand[key]

    def keep(self, item: InHand, changes: Sequence[Outgoing]) -> None:
        """These changes were handled; until they are read back, those who are handled next find them here."""
        for change in changes:
            key = stored_key(change.key or b"")
            kept = Change(_id_of(change.headers), change.value, item.received[:2])
            self._pending.setdefault(key, []).append(kept)
            self._pending_count += 1

    def withdraw(self, changes: Sequence[Outgoing]) -> None:
        """These were not written after all."""
        for change in changes:
            key, change_id = stored_key(change.key or b""), _id_of(change.headers)
            self._keep_only(key, lambda one, gone=change_id: one.id != gone)  # type: ignore[misc]

    def released(self, places: Collection[Place]) -> None:
        gone = frozenset(places)
        for key in list(self._pending):
            self._keep_only(key, lambda one: one.place not in gone)
        for key, item in list(self._in_hand.items()):
            if item.received[:2] in gone:
                del self._in_hand[key]
        super().released(places)

    def _keep_only(self, key: StoredKey, wanted: Callable[[Change], bool]) -> None:
        before = self._pending.get(key, [])
        kept = [change for change in before if wanted(change)]
        self._pending_count -= len(before) - len(kept)
        if kept:
            self._pending[key] = kept
        else:
            self._pending.pop(key, None)

    def _changed(self, rows: Collection[Row]) -> None:
        super()._changed(rows)
        for row in rows:
            pending = self._pending.get(row.key)
            if pending is not None:
                self._read_back(row.key, row.id, pending)
        if self._ownership is not None and rows:
            self._ownership.tell()

    def _read_back(self, key: StoredKey, change_id: str | None, pending: list[Change]) -> None:
        """That change is in the file, and those before it."""
        read = next((at for at, change in enumerate(pending, 1) if change.id == change_id), 0)
        self._pending_count -= read
        if read < len(pending):
            del pending[:read]
        else:
            del self._pending[key]  # and not emptied: threads look at the last one

    @property
    def is_pending(self) -> bool:
        """Whether something was changed by handlers that is not in the file yet."""
        return self._pending_count > 0

    @property
    def is_behind(self) -> bool:
        return self._pending_count >= PENDING_MAX

    # Keeping up.

    def _followed(self) -> following.Followed:
        return following.Followed(
            name=self.declared.name,
            stream=self.declared.stream,
            replica=self._open(),
            positions=self._positions,
            row_of=self._row_of,
            on_changed=self._changed,
            keeper=self,
            whole=not self.partitioned,
            forgotten_after_ms=REMOVALS_KEPT_MS - DAY_MS,
        )

    def _row_of(self, record: Received) -> Row:
        """A row is kept whether or not it can be decoded: who asks for it is told, and nobody takes it for missing."""
        if record.key is None:
            raise DecodeError("a change without a key")
        change_id = _id_of(record.headers or ())
        return Row(
            stored_key(record.key), record.value, record.partition, record.offset, change_id, record.timestamp_ms
        )

    def close(self) -> None:
        super().close()
        self._pending.clear()
        self._pending_count = 0
        self._in_hand.clear()

    def __repr__(self) -> str:
        return f"<state {self.declared.name} of {self._service}>"


def _id_of(headers: Sequence[tuple[str, bytes | None]]) -> str:
    for name, content in headers:
        if name == CHANGE_ID and content is not None:
            return content.decode(errors="replace")
    return ""


class Changes:
    """Sees to it that what is handled is found by those who are handled next: told of each record in hand."""

    def __init__(self, states: Collection[State[Any]]) -> None:
        self._states = {state.declared.stream: state for state in states}

    def handled(self, item: InHand) -> None:
        """The handling of a record is over; what it led to is about to be committed."""
        for state in self._states.values():
            state.let_go(item)
        if item.progress.gone:
            return  # whoever has its partition now handles it again, and does not want to find what came of it here
        by_stream: dict[str, list[Outgoing]] = {}
        for output in item.outputs:
            if output.stream in self._states:
                by_stream.setdefault(output.stream, []).append(output)
        for stream, changes in by_stream.items():
            self._states[stream].keep(item, changes)
        if by_stream:
            item.committed.append(lambda: self._committed(item, by_stream))

    def _committed(self, item: InHand, by_stream: Mapping[str, Sequence[Outgoing]]) -> None:
        """Of what the broker refused, all that its handler led to is gone: its changes, too."""
        written = {id(output) for output in item.outputs}
        for stream, changes in by_stream.items():
            if refused := [change for change in changes if id(change) not in written]:
                self._states[stream].withdraw(refused)
