"""The settings of one partition's log: those of its topic, under names that carry units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidings.wire.compression import Compression

UNLIMITED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """Defaults are Apache Kafka's; comments name the topic config. UNLIMITED (-1) is no limit."""

    segment_bytes: int = 1 << 30  # segment.bytes
    segment_ms: int = 7 * 24 * 3600 * 1000  # segment.ms
    retention_ms: int = 7 * 24 * 3600 * 1000  # retention.ms
    retention_bytes: int = UNLIMITED  # retention.bytes
    deletes: bool = True  # cleanup.policy has "delete": retention applies
    compacts: bool = False  # cleanup.policy has "compact": each record needs a key
    index_interval_bytes: int = 4096  # index.interval.bytes
    message_bytes_max: int = 1048588  # max.message.bytes: of one batch
    compression: Compression | None = None  # compression.type, if it is not "producer"
    append_time: bool = False  # message.timestamp.type is LogAppendTime
    timestamp_before_ms_max: int = (1 << 63) - 1  # message.timestamp.before.max.ms
    timestamp_after_ms_max: int = 3600 * 1000  # message.timestamp.after.max.ms
    recovery_bytes: int = 32 << 20  # ours: about what is verified after a crash, at most
    dirty_ratio_min: float = 0.5  # min.cleanable.dirty.ratio
    compaction_lag_ms_min: int = 0  # min.compaction.lag.ms
    compaction_lag_ms_max: int = (1 << 63) - 1  # max.compaction.lag.ms
    delete_retention_ms: int = 24 * 3600 * 1000  # delete.retention.ms: how long compaction keeps tombstones
    producer_expiration_ms: int = 24 * 3600 * 1000  # producer.id.expiration.ms (a broker's setting)
    segment_age_ms_max: int = field(init=False)
    """When a segment is closed. What is to be compacted must not be written to any more."""

    def __post_init__(self) -> None:
        age_ms_max = min(self.segment_ms, self.compaction_lag_ms_max) if self.compacts else self.segment_ms
        object.__setattr__(self, "segment_age_ms_max", age_ms_max)

    @classmethod
    def from_topic(cls, configs: Mapping[str, str]) -> LogConfig:
        """From a topic's configs, already found valid. Those that say nothing about a log are passed over."""
        settings: dict[str, Any] = {}
        purges = False
        for name, value in configs.items():
            if name == "cleanup.policy":
                settings["deletes"] = "delete" in value.split(",")
                settings["compacts"] = "compact" in value.split(",")
            elif name == "message.timestamp.type":
                settings["append_time"] = value == "LogAppendTime"
            elif name == "tidings.retention":
                purges = value == "delivered"
            elif name == "compression.type":
                settings["compression"] = _COMPRESSIONS.get(value)
            elif name == "min.cleanable.dirty.ratio":
                settings["dirty_ratio_min"] = float(value)
            elif name in _NUMBERS:
                settings[_NUMBERS[name]] = int(value)
        if purges:  # not by age or size, but by `Partition.purge`
            settings["retention_ms"] = settings["retention_bytes"] = UNLIMITED
        return cls(**settings)


_COMPRESSIONS = {"uncompressed": Compression.NONE} | {kind.name.lower(): kind for kind in Compression if kind}

_NUMBERS = {
    "segment.bytes": "segment_bytes",
    "segment.ms": "segment_ms",
    "retention.ms": "retention_ms",
    "retention.bytes": "retention_bytes",
    "index.interval.bytes": "index_interval_bytes",
    "max.message.bytes": "message_bytes_max",
    "min.compaction.lag.ms": "compaction_lag_ms_min",
    "max.compaction.lag.ms": "compaction_lag_ms_max",
    "delete.retention.ms": "delete_retention_ms",
    "message.timestamp.before.max.ms": "timestamp_before_ms_max",
    "message.timestamp.after.max.ms": "timestamp_after_ms_max",
}
