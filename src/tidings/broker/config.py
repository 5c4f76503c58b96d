"""What the operator decides: where the data lies, where to listen, what an acknowledgement promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tidings.coordination.groups.config import GroupConfig
from tidings.coordination.share_partition.limits import Limits
from tidings.coordination.transactions.config import TransactionConfig
from tidings.errors import OperatorError

Durability = Literal["fsync", "os"]
"""`fsync`: an acknowledgement waits for the disk. `os`: for the page cache, as Apache Kafka's does by default."""

DURABILITIES: tuple[Durability, ...] = ("fsync", "os")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """The settings of one broker. Names in comments are Apache Kafka's, whose defaults these are."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 9092  # 0: any free one
    advertised: str | None = None  # advertised.listeners, as host:port; default: where we listen
    durability: Durability = "fsync"
    node_id: int = 1
    num_partitions: int = 1  # num.partitions
    auto_create_topics: bool = True  # auto.create.topics.enable
    topic_defaults: Mapping[str, str] = field(default_factory=dict)  # topic configs that differ from Kafka's defaults
    superusers: tuple[str, ...] = ()  # super.users: principals that may do everything, as User:name
    allow_if_no_rule: bool = True  # allow.everyone.if.no.acl.found; not Kafka's false: without rules all is as ever
    metrics: str | None = None  # where Prometheus may ask, as host:port
    groups: GroupConfig = field(default_factory=GroupConfig)
    shares: Limits = field(default_factory=Limits)  # of share groups that do not say
    transactions: TransactionConfig = field(default_factory=TransactionConfig)

    request_bytes_max: int = 100 * 1024 * 1024  # socket.request.max.bytes
    fetch_bytes_max: int = 8 * 1024 * 1024  # fetch.max.bytes; not Kafka's 55 MiB: a reply is held in memory while sent
    share_sessions_max: int = 2000  # group.share.max.share.sessions
    share_lock_ms_min: int = 15_000  # group.share.min.record.lock.duration.ms
    fetch_sessions_max: int = 1000  # max.incremental.fetch.session.cache.slots
    connection_idle_ms_max: int = 600_000  # connections.max.idle.ms
    retention_check_interval_ms: int = 300_000  # log.retention.check.interval.ms
    purge_interval_ms: int = 5000  # how soon store-backed streams let go of what was delivered
    compaction_check_interval_ms: int = 15_000  # log.cleaner.backoff.ms

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise OperatorError(f"{self.port} is no port", "Choose one from 1 to 65535, or 0 for any free one.")
        if self.durability not in DURABILITIES:
            raise OperatorError(
                f"durability {self.durability!r} is not known", f"Choose one of: {', '.join(DURABILITIES)}."
            )
        if self.num_partitions < 1:
            raise OperatorError(f"a topic cannot have {self.num_partitions} partitions", "Choose 1 or more.")
        if self.node_id < 0:
            raise OperatorError(f"{self.node_id} is no node id", "Choose 0 or more.")
        for principal in self.superusers:
            if ":" not in principal:
                raise OperatorError(f"{principal!r} is no principal", "Write it as User:name.")
        if self.advertised is not None:
            split_address(self.advertised)
        if self.metrics is not None:
            split_address(self.metrics)


def split_address(address: str) -> tuple[str, int]:
    """`host:port`, also `[::1]:port`. Raises OperatorError."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdecimal() and int(port) <= 65535):
        raise OperatorError(f"{address!r} is no address", "Write it as host:port, for example 127.0.0.1:9092.")
    return host, int(port)
