"""The records of `__share_group_state`, in Kafka's own format.

A key begins with two bytes that say its kind: 0 a snapshot, which says all of a state, 1 an update, which says what has
changed since. A value begins with two bytes for its version. A snapshot's key without a value says that there is no
state any more. Kafka writes a snapshot after some 500 updates, since it reads its log from the oldest one that counts;
here that is what rewriting the log is for (`broker.coordinators.coordinator_log`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from tidings.coordination.outcome import Record
from tidings.coordination.share_state.state import Place, ShareState, StateBatch
from tidings.errors import DiskError
from tidings.wire.codec import decode, encode_bytes
from tidings.wire.messages import share_state_records as stored
from tidings.wire.messages.share_state_records import (
    ShareSnapshotKey,
    ShareSnapshotValue,
    ShareUpdateKey,
    ShareUpdateValue,
)
from tidings.wire.primitives import MalformedError

SNAPSHOT_KIND = 0
UPDATE_KIND = 1
_PREFIX = struct.Struct(">h")


@dataclass(frozen=True, slots=True)
class Kept:
    """A state, and what else its snapshot says. Dates are milliseconds since 1970."""

    state: ShareState
    snapshot_epoch: int
    created_wall_ms: int
    written_wall_ms: int


class Update(NamedTuple):
    """What a write says. An epoch, offset or count of -1 says nothing."""

    snapshot_epoch: int
    leader_epoch: int
    start_offset: int
    delivery_complete_count: int
    batches: tuple[StateBatch, ...]


def snapshot_key(place: Place) -> bytes:
    return _PREFIX.pack(SNAPSHOT_KIND) + encode_bytes(ShareSnapshotKey(**place._asdict()), 0)


def snapshot_record(place: Place, kept: Kept) -> tuple[bytes, bytes]:
    state = kept.state
    value = ShareSnapshotValue(
        snapshot_epoch=kept.snapshot_epoch,
        state_epoch=state.state_epoch,
        leader_epoch=state.leader_epoch,
        start_offset=state.start_offset,
        delivery_complete_count=state.delivery_complete_count,
        create_timestamp=kept.created_wall_ms,
        write_timestamp=kept.written_wall_ms,
        state_batches=_written(state.batches),
    )
    return snapshot_key(place), _PREFIX.pack(0) + encode_bytes(value, 0)


def update_record(place: Place, update: Update) -> Record:
    value = ShareUpdateValue(
        snapshot_epoch=update.snapshot_epoch,
        leader_epoch=update.leader_epoch,
        start_offset=update.start_offset,
        delivery_complete_count=update.delivery_complete_count,
        state_batches=_written(update.batches),
    )
    key = _PREFIX.pack(UPDATE_KIND) + encode_bytes(ShareUpdateKey(**place._asdict()), 0)
    return key, _PREFIX.pack(0) + encode_bytes(value, 0)


def tombstone(place: Place) -> Record:
    return snapshot_key(place), None


def read_record(key: bytes, value: bytes | None) -> tuple[Place, Kept | Update | None]:
    """Whose state, and what is said of it: None that there is none any more.

    Raises DiskError for a record that this version of Tidings does not know: to skip it would be to lose it.
    """
    try:
        (kind,) = _PREFIX.unpack_from(key)
        if kind not in (SNAPSHOT_KIND, UPDATE_KIND):
            raise DiskError(f"the share groups' log has a record of kind {kind}: a newer version of Tidings wrote it")
        at, _ = decode(ShareSnapshotKey, 0, key, _PREFIX.size)  # the other kind's is alike
        place = Place(at.group_id, at.topic_id, at.partition)
        if value is None:
            return place, None
        (version,) = _PREFIX.unpack_from(value)
        if kind == SNAPSHOT_KIND:
            return place, _kept(decode(ShareSnapshotValue, version, value, _PREFIX.size)[0])
        return place, _update(decode(ShareUpdateValue, version, value, _PREFIX.size)[0])
    except (MalformedError, struct.error) as error:
        raise DiskError(f"a record of the share groups' state cannot be read: {error}") from error


def _kept(said: ShareSnapshotValue) -> Kept:
    state = ShareState(
        said.state_epoch, said.leader_epoch, said.start_offset, said.delivery_complete_count, _read(said.state_batches)
    )
    return Kept(state, said.snapshot_epoch, said.create_timestamp, said.write_timestamp)


def _update(said: ShareUpdateValue) -> Update:
    batches = _read(said.state_batches)
    return Update(said.snapshot_epoch, said.leader_epoch, said.start_offset, said.delivery_complete_count, batches)


def _written(batches: Iterable[StateBatch]) -> list[stored.StateBatch]:
    return [
        stored.StateBatch(
            first_offset=batch.first_offset,
            last_offset=batch.last_offset,
            delivery_state=batch.delivery_state,
            delivery_count=batch.delivery_count,
        )
        for batch in batches
    ]


def _read(batches: Iterable[stored.StateBatch]) -> tuple[StateBatch, ...]:
    return tuple(
        StateBatch(batch.first_offset, batch.last_offset, batch.delivery_state, batch.delivery_count)
        for batch in batches
    )
