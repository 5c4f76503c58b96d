"""The records on the topic `_schemas`, as Confluent's registry and Karapace write them: their bytes and what they mean.

Pure. The topic is compacted by key, so a key's members come in the order that Confluent's registry writes them in: in
another order it would be another key. (Where a topic has it in another spelling, `Store.key_bytes` keeps to that.) A
value of nothing (null) takes back what the key said before, for good. What we do not know is kept as it is: another
registry may.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from tidings.errors import ClientError

TOPIC: Final = "_schemas"

Json: TypeAlias = Any


class RecordError(ClientError):
    """A record of a kind that we know, which does not hold what such a record holds."""


@dataclass(frozen=True, slots=True)
class Reference:
    """That a schema uses another, which is registered, by some name."""

    name: str
    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class SchemaKey:
    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class SchemaValue:
    """A version of a subject. `text` is as it was sent."""

    subject: str
    version: int
    id: int
    text: str
    type: str = "AVRO"
    references: tuple[Reference, ...] = ()
    metadata: Mapping[str, Json] | None = None
    rule_set: Mapping[str, Json] | None = None
    is_deleted: bool = False
    """Softly: it can still be read by its id."""
    others: Mapping[str, Json] = field(default_factory=dict)
    """What we do not know of."""


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """`subject` is None for what holds for all."""

    subject: str | None


@dataclass(frozen=True, slots=True)
class ConfigValue:
    """`settings` by the names they have in records; among them `compatibilityLevel`."""

    subject: str | None
    settings: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class ModeKey:
    subject: str | None


@dataclass(frozen=True, slots=True)
class ModeValue:
    subject: str | None
    mode: str


@dataclass(frozen=True, slots=True)
class DeleteSubjectKey:
    subject: str


@dataclass(frozen=True, slots=True)
class DeleteSubjectValue:
    """All versions up to `version` are softly deleted."""

    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class ClearSubjectKey:
    subject: str


@dataclass(frozen=True, slots=True)
class ClearSubjectValue:
    """Nothing of the subject is left, nor of its settings."""

    subject: str


@dataclass(frozen=True, slots=True)
class ContextKey:
    tenant: str
    context: str


@dataclass(frozen=True, slots=True)
class ContextValue:
    tenant: str
    context: str


@dataclass(frozen=True, slots=True)
class NoopKey:
    """Written to find out whether one can write."""


@dataclass(frozen=True, slots=True)
class UnknownKey:
    data: bytes


@dataclass(frozen=True, slots=True)
class UnknownValue:
    data: bytes


Key = SchemaKey | ConfigKey | ModeKey | DeleteSubjectKey | ClearSubjectKey | ContextKey | NoopKey | UnknownKey
Value = (
    SchemaValue | ConfigValue | ModeValue | DeleteSubjectValue | ClearSubjectValue | ContextValue | UnknownValue | None
)

_SCHEMA_MEMBERS: Final = frozenset(
    ("subject", "version", "id", "schema", "schemaType", "references", "metadata", "ruleSet", "deleted")
)
_SCHEMA_MAGIC: Final = 1
_OTHER_MAGIC: Final = 0


def read_key(data: bytes | None) -> Key:
    """What a record's key says. What is no key of ours is unknown, not wrong."""
    json_ = _object(data)
    try:
        match json_.get("keytype"):
            case "SCHEMA":
                return SchemaKey(_text(json_, "subject"), _number(json_, "version"))
            case "CONFIG":
                return ConfigKey(_text_or_none(json_, "subject"))
            case "MODE":
                return ModeKey(_text_or_none(json_, "subject"))
            case "DELETE_SUBJECT":
                return DeleteSubjectKey(_text(json_, "subject"))
            case "CLEAR_SUBJECT":
                return ClearSubjectKey(_text(json_, "subject"))
            case "CONTEXT":
                return ContextKey(_text_or_none(json_, "tenant") or "", _text(json_, "context"))
            case "NOOP":
                return NoopKey()
    except RecordError:
        pass
    return UnknownKey(data or b"")


def write_key(key: Key) -> bytes:
    """The key's bytes; equal keys have equal ones."""
    match key:
        case SchemaKey(subject, version):
            return _bytes({"keytype": "SCHEMA", "subject": subject, "version": version, "magic": _SCHEMA_MAGIC})
        case ConfigKey(subject):
            return _bytes({"keytype": "CONFIG", **_of(subject), "magic": _OTHER_MAGIC})
        case ModeKey(subject):
            return _bytes({"keytype": "MODE", **_of(subject), "magic": _OTHER_MAGIC})
        case DeleteSubjectKey(subject):
            return _bytes({"keytype": "DELETE_SUBJECT", "subject": subject, "magic": _OTHER_MAGIC})
        case ClearSubjectKey(subject):
            return _bytes({"keytype": "CLEAR_SUBJECT", "subject": subject, "magic": _OTHER_MAGIC})
        case ContextKey(tenant, context):
            return _bytes({"keytype": "CONTEXT", "tenant": tenant, "context": context, "magic": _OTHER_MAGIC})
        case NoopKey():
            return _bytes({"keytype": "NOOP", "magic": _OTHER_MAGIC})
        case UnknownKey(data):
            return data


def read_value(key: Key, data: bytes | None) -> Value:
    """What a record's value says, given its key. Raises RecordError."""
    if data is None:
        return None
    json_ = _object(data)
    match key:
        case SchemaKey(subject, version):
            return _read_schema(subject, version, json_)
        case ConfigKey(subject):
            return ConfigValue(subject, {name: value for name, value in json_.items() if name != "subject"})
        case ModeKey(subject):
            return ModeValue(subject, _text(json_, "mode"))
        case DeleteSubjectKey(subject):
            return DeleteSubjectValue(subject, _number(json_, "version"))
        case ClearSubjectKey(subject):
            return ClearSubjectValue(subject)
        case ContextKey(tenant, context):
            return ContextValue(tenant, context)
    return UnknownValue(data)


def write_value(value: Value) -> bytes | None:
    match value:
        case None:
            return None
        case SchemaValue():
            return _bytes(_schema_members(value))
        case ConfigValue(subject, settings):
            return _bytes({**_of(subject), **settings})
        case ModeValue(subject, mode):
            return _bytes({**_of(subject), "mode": mode})
        case DeleteSubjectValue(subject, version):
            return _bytes({"subject": subject, "version": version})
        case ClearSubjectValue(subject):
            return _bytes({"subject": subject})
        case ContextValue(tenant, context):
            return _bytes({"tenant": tenant, "context": context})
        case UnknownValue(data):
            return data


def _read_schema(subject: str, version: int, json_: dict[str, Json]) -> SchemaValue:
    references = json_.get("references") or []
    if not isinstance(references, list) or not all(isinstance(one, dict) for one in references):
        raise RecordError(f"the references of version {version} of {subject} are no list")
    return SchemaValue(
        subject,
        version,
        _number(json_, "id"),
        _text(json_, "schema"),
        _text_or_none(json_, "schemaType") or "AVRO",
        tuple(Reference(_text(one, "name"), _text(one, "subject"), _number(one, "version")) for one in references),
        _object_or_none(json_, "metadata"),
        _object_or_none(json_, "ruleSet"),
        json_.get("deleted") is True,
        {name: value for name, value in json_.items() if name not in _SCHEMA_MEMBERS},
    )


def _schema_members(value: SchemaValue) -> dict[str, Json]:
    """Avro is not named, and what is not there is left out, as Confluent's registry does."""
    members: dict[str, Json] = {"subject": value.subject, "version": value.version, "id": value.id}
    if value.type != "AVRO":
        members["schemaType"] = value.type
    if value.references:
        members["references"] = [
            {"name": one.name, "subject": one.subject, "version": one.version} for one in value.references
        ]
    if value.metadata is not None:
        members["metadata"] = value.metadata
    if value.rule_set is not None:
        members["ruleSet"] = value.rule_set
    return members | dict(value.others) | {"schema": value.text, "deleted": value.is_deleted}


def _of(subject: str | None) -> dict[str, Json]:
    """What holds for all names no subject. (Karapace names null, and reads either.)"""
    return {} if subject is None else {"subject": subject}


def _bytes(members: Mapping[str, Json]) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def _object(data: bytes | None) -> dict[str, Json]:
    """An empty one for what is no JSON object."""
    try:
        value = json.loads(data or b"")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(members: Mapping[str, Json], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise RecordError(f"a record without {name}")
    return value


def _text_or_none(members: Mapping[str, Json], name: str) -> str | None:
    return None if members.get(name) is None else _text(members, name)


def _number(members: Mapping[str, Json], name: str) -> int:
    value = members.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RecordError(f"a record without {name}")
    return value


def _object_or_none(members: Mapping[str, Json], name: str) -> dict[str, Json] | None:
    value = members.get(name)
    if value is not None and not isinstance(value, dict):
        raise RecordError(f"a record whose {name} is no object")
    return value
