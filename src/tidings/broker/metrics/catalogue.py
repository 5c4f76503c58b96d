"""Every metric there is, and where its values come from. The table in docs/operations.md is made of this one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from tidings.broker.coordinators import share_places
from tidings.broker.metrics.traffic import LATENCY_S, ApiTraffic
from tidings.coordination.share_state.state import Place
from tidings.log.partition import Partition
from tidings.monitoring.exposition import Kind, Metric, Sample, histogram
from tidings.monitoring.process import cpu_seconds, open_fds, resident_memory_bytes
from tidings.wire.error_codes import ApiError, ErrorCode

if TYPE_CHECKING:
    from tidings.broker.server import Broker

Source = Callable[["Broker"], Iterator[Sample | None]]
METRICS: dict[Metric, Source] = {}
"""After each sample of a source, or None, others may be served: whatever it goes through may have changed then."""

_API = ("api",)
_PARTITION = ("topic", "partition")
_LAG = ("group", "topic", "partition")


def metric(name: str, kind: Kind, help: str, *labels: str) -> Callable[[Source], Source]:
    """Register the decorated function as the one that knows the values of a metric."""

    def register(source: Source) -> Source:
        METRICS[Metric(name, kind, help, labels)] = source
        return source

    return register


# Requests.


def _by_api(broker: Broker) -> Iterator[tuple[tuple[str, ...], ApiTraffic]]:
    if broker.traffic is not None:
        for key, traffic in list(broker.traffic.apis.items()):
            yield (broker.apis[key].name,), traffic


@metric("tidings_requests_total", Kind.COUNTER, "Requests answered.", *_API)
def _requests(broker: Broker) -> Iterator[Sample | None]:
    for of, traffic in _by_api(broker):
        yield Sample(of, traffic.requests)


@metric(
    "tidings_request_errors_total",
    Kind.COUNTER,
    "Error codes in replies: at the top, or for a topic, a partition and the like.",
    *_API,
    "error",
)
def _errors(broker: Broker) -> Iterator[Sample | None]:
    for of, traffic in _by_api(broker):
        for code, count in list(traffic.errors.items()):
            yield Sample((*of, ErrorCode(code).name), count)


@metric(
    "tidings_request_seconds",
    Kind.HISTOGRAM,
    "From a request being taken up to its reply: with the wait for the disk, and of a Fetch that for records.",
    *_API,
)
def _seconds(broker: Broker) -> Iterator[Sample | None]:
    for of, traffic in _by_api(broker):
        yield from histogram(of, LATENCY_S, traffic.buckets, traffic.seconds)


@metric("tidings_request_bytes_total", Kind.COUNTER, "Bytes received in requests.", *_API)
def _bytes_in(broker: Broker) -> Iterator[Sample | None]:
    for of, traffic in _by_api(broker):
        yield Sample(of, traffic.request_bytes)


@metric("tidings_reply_bytes_total", Kind.COUNTER, "Bytes sent in replies.", *_API)
def _bytes_out(broker: Broker) -> Iterator[Sample | None]:
    for of, traffic in _by_api(broker):
        yield Sample(of, traffic.reply_bytes)


# Connections.


@metric("tidings_connections", Kind.GAUGE, "Clients that are connected.")
def _connections(broker: Broker) -> Iterator[Sample | None]:
    yield Sample((), len(broker.connections))


@metric("tidings_connections_opened_total", Kind.COUNTER, "Connections that clients opened.")
def _opened(broker: Broker) -> Iterator[Sample | None]:
    yield Sample((), 0 if broker.traffic is None else broker.traffic.connections_opened)


@metric(
    "tidings_connections_failed_total",
    Kind.COUNTER,
    "Connections that the broker closed because of what came over them.",
)
def _failed(broker: Broker) -> Iterator[Sample | None]:
    yield Sample((), 0 if broker.traffic is None else broker.traffic.connections_failed)


@metric("tidings_fetches_waiting", Kind.GAUGE, "Fetches that wait for records.")
def _waiting(broker: Broker) -> Iterator[Sample | None]:
    yield Sample((), len(broker.long_polls))


# Partitions.


def _by_partition(broker: Broker, value: Callable[[Partition], int]) -> Iterator[Sample | None]:
    """Of those that may hold records and can be read, opened where need be."""
    catalog = broker.catalog
    for topic, replica in list(catalog.replicas()):
        yield None
        if catalog.topics.get(topic.name) is topic and catalog.is_used(topic, replica):
            with suppress(ApiError):  # offline
                partition = catalog.partition(topic.name, replica.index)
                yield Sample((topic.name, str(replica.index)), value(partition))


@metric("tidings_partition_bytes", Kind.GAUGE, "Size of a partition's records on disk.", *_PARTITION)
def _sizes(broker: Broker) -> Iterator[Sample | None]:
    return _by_partition(broker, lambda partition: partition.size_bytes)


@metric("tidings_partition_start_offset", Kind.GAUGE, "Offset of the first record kept.", *_PARTITION)
def _start_offsets(broker: Broker) -> Iterator[Sample | None]:
    return _by_partition(broker, lambda partition: partition.log_start_offset)


@metric(
    "tidings_partition_end_offset", Kind.GAUGE, "Offset after the last record that consumers may read.", *_PARTITION
)
def _end_offsets(broker: Broker) -> Iterator[Sample | None]:
    return _by_partition(broker, lambda partition: partition.high_watermark)


@metric("tidings_partitions_offline", Kind.GAUGE, "Partitions that a failing disk has taken away.")
def _offline(broker: Broker) -> Iterator[Sample | None]:
    count = 0
    for _, replica in list(broker.catalog.replicas()):
        count += replica.is_offline
        yield None
    yield Sample((), count)


# Groups.


@metric("tidings_group_members", Kind.GAUGE, "Members of a group.", "group")
def _members(broker: Broker) -> Iterator[Sample | None]:
    for group_id, count in broker.groups.coordinator.member_counts().items():
        yield Sample((group_id,), count)


@metric("tidings_group_committed_offset", Kind.GAUGE, "How far a consumer group has come.", *_LAG)
def _committed(broker: Broker) -> Iterator[Sample | None]:
    for group_id, topic, index, offset in broker.groups.coordinator.committed():
        yield Sample((group_id, topic, str(index)), offset)


@metric("tidings_group_lag", Kind.GAUGE, "Records that a consumer group has not committed yet.", *_LAG)
def _lags(broker: Broker) -> Iterator[Sample | None]:
    for group_id, topic, index, offset in broker.groups.coordinator.committed():
        with suppress(ApiError):  # deleted, or offline
            end_offset = broker.catalog.partition(topic, index).high_watermark
            yield Sample((group_id, topic, str(index)), max(0, end_offset - offset))


def _by_share(broker: Broker, value: Callable[[Place], int]) -> Iterator[Sample | None]:
    """Of each partition that a share group reads, if `value` is known (not -1)."""
    for place in broker.share_state.all_places():
        yield None
        topic = broker.catalog.topic_by_id(place.topic_id)
        with suppress(ApiError):  # deleted, or offline
            if topic is not None and (known := value(place)) >= 0:
                yield Sample((place.group_id, topic.name, str(place.partition)), known)


@metric("tidings_share_group_start_offset", Kind.GAUGE, "Where what a share group has not finished begins.", *_LAG)
def _share_starts(broker: Broker) -> Iterator[Sample | None]:
    return _by_share(broker, lambda place: broker.share_state.summary(*place).start_offset)


@metric("tidings_share_group_lag", Kind.GAUGE, "Records that a share group has not finished yet.", *_LAG)
def _share_lags(broker: Broker) -> Iterator[Sample | None]:
    return _by_share(broker, lambda place: share_places.lag(broker, place))


# Share groups.


@metric("tidings_share_sessions", Kind.GAUGE, "Members of share groups that fetch.")
def _share_sessions(broker: Broker) -> Iterator[Sample | None]:
    yield Sample((), len(broker.share_sessions))


@metric("tidings_share_records_acquired", Kind.GAUGE, "Records that members of a share group have.", *_LAG)
def _acquired(broker: Broker) -> Iterator[Sample | None]:
    for live in broker.share_partitions:
        topic = broker.catalog.topic_by_id(live.topic_id)
        if topic is not None:
            yield Sample((live.group_id, topic.name, str(live.index)), live.acquired_count)


@metric(
    "tidings_share_acknowledged_records_total",
    Kind.COUNTER,
    "Records of which members of share groups said what became of them: accept, release, reject, renew, or gap.",
    "type",
)
def _acknowledged(broker: Broker) -> Iterator[Sample | None]:
    for kind, count in broker.share_partitions.acknowledged.items():
        yield Sample((kind.name.lower(),), count)


# Disk.


@metric("tidings_syncs_total", Kind.COUNTER, "Syncs (fdatasync) that acknowledgements waited for.")
def _syncs(broker: Broker) -> Iterator[Sample | None]:
    yield Sample((), broker.durability.syncs().number)


@metric("tidings_sync_seconds_total", Kind.COUNTER, "Time these syncs took.")
def _sync_seconds(broker: Broker) -> Iterator[Sample | None]:
    yield Sample((), broker.durability.syncs().seconds)


# The process.


@metric("tidings_uptime_seconds", Kind.GAUGE, "Time since the broker was started.")
def _uptime(broker: Broker) -> Iterator[Sample | None]:
    yield Sample((), (broker.clock.monotonic_ms() - broker.began_ms) / 1000)


@metric("process_resident_memory_bytes", Kind.GAUGE, "Memory that the process has in use.")
def _memory(broker: Broker) -> Iterator[Sample | None]:
    if (size_bytes := resident_memory_bytes()) is not None:
        yield Sample((), size_bytes)


@metric("process_cpu_seconds_total", Kind.COUNTER, "Processor time spent.")
def _cpu(broker: Broker) -> Iterator[Sample | None]:
    yield Sample((), cpu_seconds())


@metric("process_open_fds", Kind.GAUGE, "Files and sockets open.")
def _open_fds(broker: Broker) -> Iterator[Sample | None]:
    if (count := open_fds()) is not None:
        yield Sample((), count)
