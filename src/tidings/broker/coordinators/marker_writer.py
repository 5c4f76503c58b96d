"""Writes the ends of transactions into the partitions they wrote to, and says when that is safe.

A marker that is there already does no harm, so whoever does not know whether one was written writes it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial

from tidings.broker.catalog.catalog import Catalog
from tidings.broker.catalog.topic_names import GROUP_OFFSETS, INTERNAL
from tidings.broker.clock import Clock
from tidings.broker.coordinators.coordinator_log import MARKER_BYTES
from tidings.broker.coordinators.groups import GroupRuntime
from tidings.broker.durability import Done, Durability
from tidings.coordination.outcome import Producer, TopicPartition
from tidings.errors import DiskError
from tidings.wire.error_codes import ApiError, ErrorCode

log = logging.getLogger(__name__)

Failed = dict[TopicPartition, Exception]
_OVER = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.INVALID_PRODUCER_EPOCH)
"""The partition is gone, or has heard of a later epoch: nothing of the transaction is open there."""


class MarkerWriter:
    def __init__(self, catalog: Catalog, groups: GroupRuntime, durability: Durability, clock: Clock) -> None:
        self._catalog = catalog
        self._groups = groups
        self._durability = durability
        self._clock = clock

    def write_all(
        self,
        partitions: Iterable[TopicPartition],
        producer: Producer,
        *,
        commit: bool,
        done: Callable[[Failed], None],
    ) -> None:
        """Call `done` once every partition has its marker safely, or with those that could not be written to.

        It may be called before this returns. A partition that is not there any more needs none.
        """
        wanted = list(partitions)
        missing = len(wanted)
        failed: Failed = {}

        def written(partition: TopicPartition, error: Exception | None) -> None:
            nonlocal missing
            missing -= 1
            if error is not None and not (isinstance(error, ApiError) and error.code in _OVER):
                failed[partition] = error
            if not missing:
                done(failed)

        if not wanted:
            done(failed)
        for partition in wanted:
            self.write(*partition, producer, commit=commit, done=partial(written, partition))

    def write(self, topic: str, index: int, producer: Producer, *, commit: bool, done: Done) -> None:
        """Write one marker, in the name of the only coordinator there ever was. `done` is told of ApiError too."""
        try:
            if topic == GROUP_OFFSETS:
                self._groups.write_end(producer, commit=commit, done=done)
                return
            if topic in INTERNAL:
                raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"no transaction writes to {topic}")
            partition = self._catalog.partition(topic, index)
            partition.append_marker(*producer, commit=commit, now_ms=self._clock.now_ms())
        except (ApiError, DiskError) as error:
            done(error)
            return
        self._durability.settle(partition, MARKER_BYTES, done)
