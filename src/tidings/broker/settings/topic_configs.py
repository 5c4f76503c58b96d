"""Every setting a topic may have: Apache Kafka 4.3's names, types, defaults and limits.

All are accepted, kept and shown, so that any tool works. Those that change what this broker does are the ones
`log_config` reads; the text of each other one says that it has no effect, or none yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tidings.broker.settings.config_key import LONG_MAX, ConfigKey, ConfigType, table
from tidings.wire.error_codes import ApiError, ErrorCode

RETENTION = "tidings.retention"
LOG, DELIVERED = "log", "delivered"
_ONE_LEVEL = " Kept; where this broker compresses, it is at the level each library has by default."
_NO_EFFECT = " No effect on a broker of one node."
_THROTTLED = re.compile(r"[0-9]+:[0-9]+|\*")


def _throttled(value: str) -> str | None:
    return None if _THROTTLED.fullmatch(value) else "must be * or [partitionId]:[brokerId],[partitionId]:[brokerId],..."


def _gzip_level(value: str) -> str | None:
    return "Value must be between 1 and 9 or equal to -1" if int(value) == 0 else None


def _long(name: str, default: int, low: float | None, documentation: str, *synonyms: str) -> ConfigKey:
    return ConfigKey(
        name=name, type=ConfigType.LONG, default=str(default), low=low, documentation=documentation, synonyms=synonyms
    )


def _int(
    name: str, default: int, low: float | None, documentation: str, *synonyms: str, high: float | None = None
) -> ConfigKey:
    return ConfigKey(
        name=name, type=ConfigType.INT, default=str(default), low=low, high=high,
        documentation=documentation, synonyms=synonyms,
    )  # fmt: skip


def _flag(name: str, documentation: str, *synonyms: str) -> ConfigKey:
    return ConfigKey(
        name=name, type=ConfigType.BOOLEAN, default="false", documentation=documentation, synonyms=synonyms
    )


def _choice(name: str, default: str, choices: tuple[str, ...], documentation: str, *synonyms: str) -> ConfigKey:
    return ConfigKey(
        name=name, type=ConfigType.STRING, default=default, choices=choices,
        documentation=documentation, synonyms=synonyms,
    )  # fmt: skip


# fmt: off
TOPIC_CONFIGS: dict[str, ConfigKey] = table(
    [
        ConfigKey(
            name="cleanup.policy", type=ConfigType.LIST, default="delete", choices=("compact", "delete"),
            synonyms=("log.cleanup.policy",),
            documentation="What happens to old segments. delete: they go when retention.ms or retention.bytes is"
            " reached. compact: the latest record of each key is kept. Both may be asked for.",
        ),
        ConfigKey(
            name="compression.gzip.level", type=ConfigType.INT, default="-1", low=-1, high=9, check=_gzip_level,
            synonyms=("compression.gzip.level",), documentation="Level of gzip." + _ONE_LEVEL,
        ),
        _int("compression.lz4.level", 9, 1, "Level of lz4." + _ONE_LEVEL, "compression.lz4.level", high=17),
        _choice(
            "compression.type", "producer", ("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
            "Compression of what is stored. producer: as it was sent; anything else: what was sent otherwise is"
            " recompressed.",
            "compression.type",
        ),
        _int("compression.zstd.level", 3, -131072, "Level of zstd." + _ONE_LEVEL, "compression.zstd.level", high=22),
        _long(
            "delete.retention.ms", 86_400_000, 0, "How long compaction keeps a deleted key's tombstone.",
            "log.cleaner.delete.retention.ms",
        ),
        _long(
            "file.delete.delay.ms", 60_000, 0, "Wait before a file is removed. Files are removed at once.",
            "log.segment.delete.delay.ms",
        ),
        _long(
            "flush.messages", LONG_MAX, 1,
            "Records between two syncs of a partition's file. The broker's durability decides: with fsync, every"
            " acknowledged record is synced.",
            "log.flush.interval.messages",
        ),
        _long(
            "flush.ms", LONG_MAX, 0, "Time between two syncs of a partition's file. The broker's durability decides.",
            "log.flush.interval.ms", "log.flush.scheduler.interval.ms",
        ),
        ConfigKey(
            name="follower.replication.throttled.replicas", type=ConfigType.LIST, default="", check=_throttled,
            documentation="Replicas whose replication is slowed on the follower's side." + _NO_EFFECT,
        ),
        _int(
            "index.interval.bytes", 4096, 0, "Bytes of records for each entry of a segment's indexes.",
            "log.index.interval.bytes",
        ),
        ConfigKey(
            name="leader.replication.throttled.replicas", type=ConfigType.LIST, default="", check=_throttled,
            documentation="Replicas whose replication is slowed on the leader's side." + _NO_EFFECT,
        ),
        _long(
            "local.retention.bytes", -2, -2, "Bytes kept locally of a tiered partition. There is no tiered storage.",
            "log.local.retention.bytes",
        ),
        _long(
            "local.retention.ms", -2, -2, "Time kept locally of a tiered partition. There is no tiered storage.",
            "log.local.retention.ms",
        ),
        _long(
            "max.compaction.lag.ms", LONG_MAX, 1, "The longest a record stays out of compaction.",
            "log.cleaner.max.compaction.lag.ms",
        ),
        _int("max.message.bytes", 1_048_588, 0, "The largest record batch accepted, as sent.", "message.max.bytes"),
        _long(
            "message.timestamp.after.max.ms", 3_600_000, 0,
            "How far a record's timestamp may lie ahead of the broker's clock.", "log.message.timestamp.after.max.ms",
        ),
        _long(
            "message.timestamp.before.max.ms", LONG_MAX, 0,
            "How far a record's timestamp may lie behind the broker's clock.", "log.message.timestamp.before.max.ms",
        ),
        _choice(
            "message.timestamp.type", "CreateTime", ("CreateTime", "LogAppendTime"),
            "Whose clock stamps a record: the producer's (CreateTime) or the broker's (LogAppendTime).",
            "log.message.timestamp.type",
        ),
        ConfigKey(
            name="min.cleanable.dirty.ratio", type=ConfigType.DOUBLE, default="0.5", low=0, high=1,
            synonyms=("log.cleaner.min.cleanable.ratio",),
            documentation="How much of a log must be uncompacted before it is compacted.",
        ),
        _long(
            "min.compaction.lag.ms", 0, 0, "The shortest a record stays out of compaction.",
            "log.cleaner.min.compaction.lag.ms",
        ),
        _int(
            "min.insync.replicas", 1, 1, "Replicas that must have a record before acks=all is answered. There is one,"
            " and it is asked.", "min.insync.replicas",
        ),
        _flag("preallocate", "Whether a segment's file is given its size at once. It is not.", "log.preallocate"),
        _flag("remote.log.copy.disable", "Whether tiered data is read-only. There is no tiered storage."),
        _flag("remote.log.delete.on.disable", "Whether tiered data goes with tiering. There is no tiered storage."),
        _flag("remote.storage.enable", "Whether the topic is tiered. There is no tiered storage: only false is taken."),
        _long(
            "retention.bytes", -1, None, "Bytes of a partition kept before old segments go; -1: all.",
            "log.retention.bytes",
        ),
        _long(
            "retention.ms", 604_800_000, -1, "How long a record is kept before its segment may go; -1: for ever.",
            "log.retention.ms", "log.retention.minutes", "log.retention.hours",
        ),
        # 4.1 takes no less than 1 MiB; what 4.0 and all before it took is taken here, since older programs ask for it.
        _int("segment.bytes", 1_073_741_824, 14, "The size at which a segment is closed.", "log.segment.bytes"),
        _int("segment.index.bytes", 10_485_760, 4, "The largest index of a segment.", "log.index.size.max.bytes"),
        _long(
            "segment.jitter.ms", 0, 0, "Random time taken off segment.ms. None is.",
            "log.roll.jitter.ms", "log.roll.jitter.hours",
        ),
        _long("segment.ms", 604_800_000, 1, "The age at which a segment is closed.", "log.roll.ms", "log.roll.hours"),
        _choice(
            RETENTION, LOG, (LOG, DELIVERED),
            "When records go. log: as cleanup.policy says. delivered: once every consumer group that reads the topic"
            " has committed past them, and not before; retention.ms and retention.bytes do not apply.",
        ),
        _flag(
            "unclean.leader.election.enable", "Whether a replica out of sync may lead." + _NO_EFFECT,
            "unclean.leader.election.enable",
        ),
    ]
)
# fmt: on


def checked(overrides: Mapping[str, str | None]) -> dict[str, str]:
    """A topic's own settings in canonical form. Raises ApiError INVALID_CONFIG with the first thing wrong."""
    nulls = sorted(name for name, value in overrides.items() if value is None)
    if nulls:
        raise _invalid(f"Null value not supported for topic configs: {','.join(nulls)}")
    values = dict(_canonical(overrides))
    low, high = (int(values.get(name, TOPIC_CONFIGS[name].default or 0)) for name in _COMPACTION_LAGS)
    if low > high:
        raise _invalid(f"conflict topic config setting min.compaction.lag.ms ({low}) > max.compaction.lag.ms ({high})")
    if values.get(RETENTION) == DELIVERED and "compact" in values.get("cleanup.policy", ""):
        raise _invalid(f"{RETENTION}={DELIVERED} is for streams that are not compacted: cleanup.policy must be delete")
    if values.get("remote.storage.enable") == "true":
        raise _invalid("Tiered Storage functionality is disabled in the broker. Topic cannot be configured with it.")
    return values


_COMPACTION_LAGS = ("min.compaction.lag.ms", "max.compaction.lag.ms")


def _canonical(overrides: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    for name, value in overrides.items():
        key = TOPIC_CONFIGS.get(name)
        if key is None:
            raise _invalid(f"Unknown topic config name: {name}")
        yield name, key.canonical(value or "")


def _invalid(message: str) -> ApiError:
    return ApiError(ErrorCode.INVALID_CONFIG, message)
