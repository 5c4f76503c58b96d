"""The same messages in the classes of `kio`, an independent implementation of the protocol: the oracle of our tests."""

from __future__ import annotations

import dataclasses
import datetime
import io
import re
import uuid
from functools import cache
from pkgutil import resolve_name
from types import UnionType
from typing import Any, get_args, get_origin

from kio.schema.errors import ErrorCode
from kio.schema.index import schema_name_map
from kio.serial import entity_writer
from kio.static.constants import EntityType

from tidings.wire.message import NULL_UUID, Message, Struct

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@cache
def oracle_class(cls: type[Message], version: int) -> Any:
    """kio's class for a version of one of our messages, or None where it has none."""
    snake_case = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
    paths: dict[EntityType, str] = {}
    for name in (snake_case, re.sub("_(request|response)$", "", snake_case)):
        paths = paths or dict(schema_name_map.get(name, {}).get(version, {}))
    for entity_type, path in paths.items():
        if len(paths) == 1 or cls.__name__.lower().endswith(entity_type.name):
            return resolve_name(path)
    return None


@cache
def _writer(oracle: Any) -> Any:
    return entity_writer(oracle)


def oracle_bytes(message: Message, version: int) -> bytes:
    oracle = oracle_class(type(message), version)
    buffer = io.BytesIO()
    _writer(oracle)(buffer, _entity(message, oracle))
    return buffer.getvalue()


def _entity(struct: Struct, oracle: Any) -> Any:
    values = {}
    for field in dataclasses.fields(oracle):
        value = getattr(struct, field.name if hasattr(struct, field.name) else field.name + "_ms")
        values[field.name] = _value(value, field.type, field.metadata.get("kafka_type"))
    return oracle(**values)


def _value(value: Any, annotation: Any, kafka_type: str | None) -> Any:
    if isinstance(value, list):
        item_type = get_args(_not_none(annotation))[0]
        return tuple(_value(item, item_type, kafka_type) for item in value)
    if isinstance(value, Struct):
        return _entity(value, _not_none(annotation))
    if value is None:
        return None
    if kafka_type == "uuid":
        return None if value == NULL_UUID else uuid.UUID(bytes=value)
    if kafka_type == "error_code":
        return ErrorCode(value)
    if kafka_type in ("timedelta_i32", "timedelta_i64"):
        return datetime.timedelta(milliseconds=value)
    if kafka_type == "datetime_i64":
        unknown = value == -1 and type(None) in get_args(annotation)
        return None if unknown else EPOCH + datetime.timedelta(milliseconds=value)
    return value


def _not_none(annotation: Any) -> Any:
    if get_origin(annotation) is UnionType:
        return next(member for member in get_args(annotation) if member is not type(None))
    return annotation
