"""The dead letters of one service, as a command sees them: what is outstanding, and where decisions are put.

All of it through the two streams that the service itself goes by, so it does not matter whether it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tidings.cli.cluster import Cluster, Offsets
from tidings.cli.reader import Reader
from tidings.errors import OperatorError, UnavailableError
from tidings.events.envelope import Envelope
from tidings.service.dead_letters import (
    BEHIND,
    TABLE,
    dead_letters_of,
    is_dead_letters,
    service_of_dead_letters,
    told_by,
)
from tidings.service.parking.ledger import Entry, ledger_of, ledger_spec, read_entry, write_entry
from tidings.service.parking.letters import Letter, LetterId, read_letter
from tidings.service.parking.outstanding import Outstanding
from tidings.service.transports.base import Outgoing, Received

DELIVERY_MS_MAX = 30_000
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Case:
    """An outstanding letter, with what people want to know of it."""

    service: str
    letter: Letter
    type: str
    """Of the event; empty if it names none."""
    event_id: str
    error: str
    message: str
    time_ms: int
    """When it was given up, the last time."""
    behind: int = 0
    """How many wait for it."""
    first: int | None = None
    """The number of the letter that it waits for; None when it is the first of its key itself."""

    @property
    def key(self) -> str | None:
        return None if self.letter.key is None else self.letter.key.decode("utf-8", "replace")

    @property
    def handler(self) -> str:
        return ", ".join(self.letter.handlers)

    @property
    def is_tables(self) -> bool:
        return self.letter.id.handler == TABLE


@dataclass(frozen=True, slots=True)
class _Told:
    """What is kept of a letter's headers."""

    type: str
    event_id: str
    error: str
    message: str
    time_ms: int


class DeadOffice:
    """Reads at once. Raises OperatorError if the service has no dead letters, and never had."""

    def __init__(self, cluster: Cluster, service: str) -> None:
        self.service = service
        self._cluster = cluster
        self._outstanding = Outstanding()
        self._told: dict[LetterId, _Told] = {}
        self._ends: Offsets = {}
        streams = cluster.streams()
        self._stream, self._ledger = dead_letters_of(service), ledger_of(service)
        if self._stream not in streams:
            known = [service_of_dead_letters(name) for name in streams if is_dead_letters(name)]
            way_out = f"There are those of: {', '.join(known)}." if known else "No service has any yet."
            raise OperatorError(f"there are no dead letters of a service {service!r}", way_out)
        self._has_ledger = self._ledger in streams
        if self._has_ledger:
            self._read(self._ledger, 0)
        self._read(self._stream, self._outstanding.floor)

    def _read(self, stream: str, begin: int) -> None:
        at = stream, 0
        starts, ends = self._cluster.begins([at]), self._cluster.ends([at])
        starts[at] = min(max(starts[at], begin), ends[at])
        self._ends.update(ends)
        with Reader(self._cluster) as reader:
            for record in reader.read_whole(starts, ends):
                self._take(record)

    def _take(self, record: Received) -> None:
        if record.stream == self._ledger:
            if (entry := read_entry(record)) is not None:
                self._outstanding.read(entry)
        elif (letter := read_letter(record)) is not None:
            self._outstanding.read(letter)
            if self._outstanding.get(letter.id) is not None:
                self._told[letter.id] = _what_it_says(record)

    # What there is.

    def cases(self) -> list[Case]:
        """Every outstanding letter: key by key, each key in its order; keys in the order they were parked in."""
        found = []
        for chain in self._outstanding.chains:
            letters = self._outstanding.chain(chain)
            for index, letter in enumerate(letters):
                found.append(self._case(letter, len(letters) - 1 - index, letters[0].number if index else None))
        return found

    def _case(self, letter: Letter, behind: int, first: int | None) -> Case:
        told = self._told[letter.id]
        tried = letter.tried
        error, message, time_ms = told.error, told.message, told.time_ms
        if tried is not None and tried.error:
            error, message, time_ms = tried.error, tried.message, tried.time_ms
        return Case(self.service, letter, told.type, told.event_id, error, message, time_ms, behind, first)

    def case(self, number: int) -> Case:
        """Raises OperatorError if no such letter is outstanding."""
        for case in self.cases():
            if case.letter.number == number:
                return case
        raise OperatorError(
            f"{self.service} has no outstanding dead letter {number}", f"`tidings dead list {self.service}` shows them."
        )

    def stands(self, letter_id: LetterId) -> Letter | None:
        """How a letter stands by now; None when it is settled."""
        return self._outstanding.get(letter_id)

    def is_moving(self, letter: Letter) -> bool:
        """Whether a running service has something to do for the key of this letter."""
        return self._outstanding.is_runnable(letter.chain)

    def record(self, number: int) -> Received:
        """A dead letter as it stands in its stream. Raises OperatorError."""
        at = self._stream, 0
        with Reader(self._cluster) as reader:
            for record in reader.read_whole({at: number}, {at: number + 1}):
                return record
        raise OperatorError(f"letter {number} is not in {self._stream} any more", "Drop it, to let its key go on.")

    def members(self) -> int:
        """How many processes run the service now."""
        return len(self._cluster.groups([self.service])[0].members) if self._runs() else 0

    def _runs(self) -> bool:
        return self.service in self._cluster.group_names()

    # What is decided.

    def put(self, entries: Iterable[Entry]) -> None:
        """Write decisions into the ledger; they are safe when this returns. Raises UnavailableError."""
        if not self._has_ledger:
            self._make_ledger()
        entries = list(entries)
        _deliver(self._cluster, [write_entry(self.service, entry) for entry in entries])
        for entry in entries:
            self._outstanding.read(entry)

    def _make_ledger(self) -> None:
        spec = ledger_spec(self.service)
        admin = AdminClient({"bootstrap.servers": self._cluster.bootstrap, "log_level": 0})
        topic = NewTopic(spec.name, spec.partitions, -1, config=dict(spec.configs))
        try:
            admin.create_topics([topic], request_timeout=TIMEOUT_S)[spec.name].result(TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise UnavailableError(f"the ledger cannot be made: {error.args[0].str()}") from None
        self._ends[self._ledger, 0] = 0
        self._has_ledger = True

    def follow(self) -> Iterator[None]:
        """Goes on reading what becomes of letters; yields now and then, and when there is news."""
        with Reader(self._cluster) as reader:
            for record in reader.follow_whole(self._ends):
                if record is not None:
                    self._take(record)
                yield


def services_with_letters(cluster: Cluster) -> list[str]:
    """Those that have a dead-letter stream with anything in it."""
    partitions = [at for name, ats in cluster.streams().items() if is_dead_letters(name) for at in ats]
    begins, ends = cluster.begins(partitions), cluster.ends(partitions)
    return sorted({service_of_dead_letters(at[0]) for at in partitions if ends[at] > begins[at]})


def _what_it_says(record: Received) -> _Told:
    told, envelope = told_by(record.headers), Envelope(record.headers)
    time = told.get("dead_time", "")
    return _Told(
        type=envelope.type or "",
        event_id=envelope.id or "",
        error="" if told.get("dead_reason") == BEHIND else told.get("dead_error", ""),
        message=told.get("dead_message", ""),
        time_ms=int(time) if time.isdecimal() else record.timestamp_ms,
    )


def _deliver(cluster: Cluster, records: Iterable[Outgoing]) -> None:
    producer = Producer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "enable.idempotence": True,
            "delivery.timeout.ms": DELIVERY_MS_MAX,
            "log_level": 0,
        }
    )
    errors: list[str] = []
    missing = 0

    def delivered(error: KafkaError | None, _message: Message) -> None:
        nonlocal missing
        missing -= 1
        if error is not None:
            errors.append(error.str())

    for record in records:
        missing += 1
        _produce(producer, record, delivered)
    producer.flush(DELIVERY_MS_MAX / 1000 + 5)
    if errors or missing:
        raise UnavailableError(f"not all was acknowledged: {errors[0] if errors else 'no answer in time'}")


def _produce(producer: Producer, record: Outgoing, delivered: Callable[..., None]) -> None:
    while True:
        try:
            producer.produce(record.stream, record.value, record.key, headers=record.headers, on_delivery=delivered)
        except BufferError:
            producer.poll(0.1)
        else:
            producer.poll(0)
            return
