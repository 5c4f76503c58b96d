"""How a message of the protocol is declared: one class per message, whatever the version.

    class HeartbeatRequest(Message, api_key=12, versions=(0, 4), flexible_since=4, response=HeartbeatResponse):
        group_id: str = field(STRING)
        generation_id: int = field(INT32)
        member_id: str = field(STRING)
        group_instance_id: str | None = field(STRING, since=3, nullable_since=3, default=None)

A field that a version does not have keeps its default when read and is left out when written. The codec of a version
is compiled when it is first used (see `codec`); so is a class's `__init__`. Declaring is therefore cheap, and a
process that speaks ten of the APIs pays for ten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast, dataclass_transform

NULL_UUID = bytes(16)
"""The id of nothing. Ids (of topics, members …) are 16 raw bytes here: compared and hashed often, shown rarely."""

_REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of the protocol. `format` is the `struct` character of a fixed-width one, else empty."""

    name: str
    default: Any
    bytes_min: int
    format: str = ""


INT8 = Kind("int8", 0, 1, "b")
INT16 = Kind("int16", 0, 2, "h")
UINT16 = Kind("uint16", 0, 2, "H")
INT32 = Kind("int32", 0, 4, "i")
UINT32 = Kind("uint32", 0, 4, "I")
INT64 = Kind("int64", 0, 8, "q")
FLOAT64 = Kind("float64", 0.0, 8, "d")
BOOLEAN = Kind("bool", False, 1, "?")
UUID = Kind("uuid", NULL_UUID, 16, "16s")
STRING = Kind("string", "", 1)
BYTES = Kind("bytes", b"", 1)
RECORDS = Kind("records", None, 1)
"""Record batches: `bytes` to the codec; `wire.records` looks inside."""


@dataclass(frozen=True, slots=True)
class Array:
    """A sequence of elements, each of one kind or structure."""

    of: Kind | type[Struct]


FieldKind = Kind | Array | type["Struct"]


@dataclass(slots=True)
class Field:
    """What `field` declares; the metaclass adds the name. A structure for a default is frozen, and so can be shared."""

    kind: FieldKind
    since: int
    until: int
    nullable_since: int | None
    tag: int | None
    tag_since: int
    compact: bool
    default: Any
    name: str = ""

    def in_version(self, version: int) -> bool:
        return self.since <= version <= self.until

    def nullable_in(self, version: int) -> bool:
        return self.nullable_since is not None and version >= self.nullable_since

    def tagged_in(self, version: int) -> bool:
        return self.tag is not None and version >= self.tag_since


def field(
    kind: FieldKind,
    *,
    since: int = 0,
    until: int = 32767,
    nullable_since: int | None = None,
    tag: int | None = None,
    tag_since: int | None = None,
    compact: bool = True,
    default: Any = _REQUIRED,
) -> Any:
    """Declare a field of a message.

    `since` and `until` are the first and last version that have it; `nullable_since` the first in which it may be null.
    A `tag` makes it a tagged field (KIP-482) from `tag_since` on, sent only when it differs from its default.
    `compact=False` keeps the old encoding in flexible versions (the client id in request headers is the only case).
    """
    if default is _REQUIRED:
        default = _default_of(kind)
    return Field(kind, since, until, nullable_since, tag, since if tag_since is None else tag_since, compact, default)


def _default_of(kind: FieldKind) -> Any:
    if isinstance(kind, Kind):
        return kind.default
    if isinstance(kind, Array):
        return []
    return _frozen(kind)


class _StructMeta(type):
    """Turns declared fields into slots."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> _StructMeta:
        fields = [value for value in namespace.values() if isinstance(value, Field)]
        for key in [key for key, value in namespace.items() if isinstance(value, Field)]:
            namespace.pop(key).name = key
        namespace["__slots__"] = tuple(f.name for f in fields)
        namespace.setdefault("FIELDS", tuple(fields))
        return super().__new__(mcs, name, bases, namespace, **options)


@dataclass_transform(kw_only_default=True)  # no field specifiers: whatever `field` gives counts as a default
class Struct(metaclass=_StructMeta):
    """A structure inside a message."""

    FIELDS: ClassVar[tuple[Field, ...]]

    def __init__(self, **values: Any) -> None:
        # First use: compile the constructor of this very class, then let it do the work.
        cls = type(self)
        cls.__init__ = _compile_init(cls)  # type: ignore[method-assign]
        cls.__init__(self, **values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Struct) or other.FIELDS is not self.FIELDS:
            return NotImplemented
        return all(getattr(self, f.name) == getattr(other, f.name) for f in self.FIELDS)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{f.name}={getattr(self, f.name)!r}" for f in self.FIELDS if getattr(self, f.name) != f.default
        )
        return f"{type(self).__name__}({shown})"


def _frozen(cls: type[Struct]) -> Struct:
    """A default instance of `cls` that cannot be changed."""

    def refuse(self: Struct, name: str, value: object) -> None:
        raise AttributeError(f"this {cls.__name__} is a default, which others share: assign a new one")

    instance = cls()
    namespace = {"FIELDS": cls.FIELDS, "__setattr__": refuse, "__module__": cls.__module__}
    instance.__class__ = cast("type[Struct]", _StructMeta(cls.__name__, (cls,), namespace))
    return instance


def _compile_init(cls: type[Struct]) -> Any:
    names: dict[str, Any] = {"UNSET": _REQUIRED}
    parameters, lines = [], []
    for f in cls.FIELDS:
        if isinstance(f.default, list):
            parameters.append(f"{f.name}=UNSET")
            lines.append(f"self.{f.name} = [] if {f.name} is UNSET else {f.name}")
        else:
            names[f"default_{f.name}"] = f.default
            parameters.append(f"{f.name}=default_{f.name}")
            lines.append(f"self.{f.name} = {f.name}")
    signature = f"self, *, {', '.join(parameters)}" if parameters else "self"
    source = f"def __init__({signature}):\n  " + "\n  ".join(lines or ["pass"])
    exec(compile(source, f"<{cls.__name__}.__init__>", "exec"), names)
    return names["__init__"]


class Message(Struct):
    """A whole message. A request names its `api_key` and its `response`; a header or a stored record has neither."""

    api_key: ClassVar[int]
    versions: ClassVar[tuple[int, int]]
    flexible_since: ClassVar[int]
    response: ClassVar[type[Message]]

    def __init_subclass__(
        cls,
        *,
        versions: tuple[int, int],
        flexible_since: int = 32767,
        api_key: int = -1,
        response: type[Message] | None = None,
    ) -> None:
        cls.versions = versions
        cls.flexible_since = flexible_since
        cls.api_key = api_key
        if response is not None:
            cls.response = response
