"""What is answered about an item that access rules keep from a client: its names, its partitions, and the code."""

from __future__ import annotations

from typing import Any, TypeVar

from tidings.security.rules import ResourceType
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Array, Struct

S = TypeVar("S", bound=Struct)

CODES = {
    ResourceType.TOPIC: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    ResourceType.GROUP: ErrorCode.GROUP_AUTHORIZATION_FAILED,
    ResourceType.CLUSTER: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    ResourceType.TRANSACTIONAL_ID: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
MESSAGES = {
    ErrorCode.TOPIC_AUTHORIZATION_FAILED: "Topic authorization failed.",
    ErrorCode.GROUP_AUTHORIZATION_FAILED: "Group authorization failed.",
    ErrorCode.CLUSTER_AUTHORIZATION_FAILED: "Cluster authorization failed.",
    ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "Transactional Id authorization failed.",
}
"""Apache Kafka's own words."""

_INDEXES = ("partition_index", "index", "partition", "partition_id")
_CODES = ("error_code", "partition_error_code")


def refused_item(result: type[S], item: Any, code: ErrorCode) -> S:
    """A `result` for `item`: what both have is copied, and what there is of error codes and messages is set.

    Of an item with partitions, each is refused. A name alone is put into the first field that is one.
    """
    names = [field.name for field in result.FIELDS]
    if isinstance(item, str):
        values: dict[str, Any] = {next(name for name in names if name not in (*_CODES, "error_message")): item}
    else:
        kinds = {field.name: field.kind for field in item.FIELDS}
        shared = [field.name for field in result.FIELDS if kinds.get(field.name) == field.kind]
        values = {name: getattr(item, name) for name in shared}
    for field in result.FIELDS:
        if isinstance(field.kind, Array) and isinstance(field.kind.of, type) and not isinstance(item, str):
            partition = field.kind.of
            if any(each.name in _INDEXES for each in partition.FIELDS):
                values[field.name] = [_refused_partition(partition, at, code) for at in _partitions(item)]
    return result(**_told(names, values, code))


def _partitions(item: Any) -> list[int]:
    """The indexes in the one list of partitions that a topic in a request has."""
    (partitions,) = (getattr(item, field.name) for field in item.FIELDS if isinstance(field.kind, Array))
    return [at if isinstance(at, int) else _index(at) for at in partitions or ()]


def _index(partition: Any) -> int:
    index: int = next(getattr(partition, field.name) for field in partition.FIELDS if field.name in _INDEXES)
    return index


def _refused_partition(result: type[S], index: int, code: ErrorCode) -> S:
    names = [field.name for field in result.FIELDS]
    place = next(name for name in names if name in _INDEXES)
    return result(**_told(names, {place: index}, code))


def _told(names: list[str], values: dict[str, Any], code: ErrorCode) -> dict[str, Any]:
    for name in names:
        if name in _CODES:
            values[name] = code
        elif name == "error_message":
            values[name] = MESSAGES[code]
    if "base_offset" in names:  # where there is none
        values |= {"base_offset": -1, "log_append_time_ms": -1}
    return values
