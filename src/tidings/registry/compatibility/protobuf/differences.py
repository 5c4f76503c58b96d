"""What differs between two Protobuf schemas. What counts are the numbers of fields, and how their types are written."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final, NamedTuple

from tidings.registry.compatibility.change import Change, below
from tidings.registry.compatibility.pairs import Pairs
from tidings.registry.compatibility.pairs import Steps as _Steps
from tidings.registry.compatibility.protobuf.elements import SCALARS, Enum, Field, Label, MapType, Message
from tidings.registry.compatibility.protobuf.schema import Declared, ProtobufSchema
from tidings.registry.compatibility.protobuf.verdicts import VERDICTS

Steps = _Steps[Declared]

_WRITTEN_AS: Final = {
    **dict.fromkeys(("int32", "int64", "uint32", "uint64", "bool", "enum"), "number"),
    **dict.fromkeys(("sint32", "sint64"), "signed number"),
    **dict.fromkeys(("string", "bytes"), "string or bytes"),
    **dict.fromkeys(("fixed32", "sfixed32"), "four bytes"),
    **dict.fromkeys(("fixed64", "sfixed64"), "eight bytes"),
    "float": "float",
    "double": "double",
}
"""Types with the same word can be read as each other (https://protobuf.dev/programming-guides/proto3/#updating)."""


def diff(old: ProtobufSchema, new: ProtobufSchema) -> list[Change]:
    """What changed from `old` to `new`. Raises TooCostlyError."""
    roots = (_root(old), _root(new))
    changes = Pairs(_Differences(old, new, roots).of, VERDICTS).changes(*roots)
    return [change._replace(path=f"#/{change.path}") for change in changes]


def _root(schema: ProtobufSchema) -> Declared:
    """The file itself, as the one that all its types are in."""
    root = Declared(schema.file.package, "", None, False, "")
    root.inner = schema.types
    return root


class _Differences:
    def __init__(self, old: ProtobufSchema, new: ProtobufSchema, roots: tuple[Declared, Declared]) -> None:
        self._old = old
        self._new = new
        self._roots = roots

    def of(self, old: Declared, new: Declared) -> Steps:
        if (old, new) == self._roots:
            changes = []
            if old.package != new.package:
                changes.append(Change("PACKAGE_CHANGED", "", f"{old.package or 'none'} to {new.package or 'none'}"))
            return changes + (yield from _types(old, new))
        if isinstance(old.element, Message) and isinstance(new.element, Message):
            return (yield from self._messages(old, new)) + (yield from _types(old, new))
        if isinstance(old.element, Enum) and isinstance(new.element, Enum):
            return _constants(old.element, new.element)
        return []

    # --- messages ---

    def _messages(self, old: Declared, new: Declared) -> Steps:
        assert isinstance(old.element, Message)
        assert isinstance(new.element, Message)
        changes = _oneofs(old.element, new.element)
        was, now = _placed(old.element), _placed(new.element)
        kept = _kept_oneofs(was, now, new.element)
        for number in sorted({*was, *now}):
            match was.get(number), now.get(number):
                case (_Place() as before, _Place() as after):
                    changes += below(str(number), _left_oneof(before, after))
                    found = yield from self._fields(before.field, after.field, old.full_name, new.full_name)
                    oneof = after.oneof
                case (_Place() as before, None):
                    found, oneof = _gone(before, kept), before.oneof
                case (None, _Place() as after):
                    found, oneof = [_came(after)], after.oneof
            changes += below(f"{oneof}/{number}" if oneof else str(number), found)
        return changes

    def _fields(self, old: Field, new: Field, old_scope: str, new_scope: str) -> Steps:
        changes = []
        if old.name != new.name:
            changes.append(Change("FIELD_NAME_CHANGED", "", f"{old.name} to {new.name}"))
        found = yield from self._field_types(old.type, new.type, old_scope, new_scope)
        if not found and old.label and new.label and old.label is not new.label:
            found = self._labels(old, new, old_scope)
        return changes + found

    def _labels(self, old: Field, new: Field, scope: str) -> list[Change]:
        written = self._written_as(old.type, self._old, scope)
        if written is None:
            return []
        kind = "STRING_OR_BYTES" if written == "string or bytes" else "NUMERIC"
        return [Change(f"FIELD_{kind}_LABEL_CHANGED", "", f"{old.name}: {old.label} to {new.label}")]

    # --- types of fields ---

    def _field_types(self, old: str | MapType, new: str | MapType, old_scope: str, new_scope: str) -> Steps:
        detail = f"{old} to {new}"
        if isinstance(old, MapType) and isinstance(new, MapType):
            keys = yield from self._field_types(old.key, new.key, old_scope, new_scope)
            return keys + (yield from self._field_types(old.value, new.value, old_scope, new_scope))
        was = self._written_as(old, self._old, old_scope)
        now = self._written_as(new, self._new, new_scope)
        if isinstance(old, MapType) or isinstance(new, MapType) or (was is None) != (now is None):
            return [Change("FIELD_KIND_CHANGED", "", detail)]
        if was is not None:
            return [] if was == now else [Change("FIELD_SCALAR_KIND_CHANGED", "", detail)]
        return (yield from self._named_types(old, new, old_scope, new_scope))

    def _written_as(self, name: str | MapType, schema: ProtobufSchema, scope: str) -> str | None:
        """How values of a type are written; None if it is a message or a map."""
        if isinstance(name, MapType):
            return None
        if name in SCALARS:
            return _WRITTEN_AS[name]
        declared = schema.resolve(name, scope)
        return _WRITTEN_AS["enum"] if declared is not None and declared.is_enum else None

    def _named_types(self, old: str, new: str, old_scope: str, new_scope: str) -> Steps:
        """Messages of the files themselves are compared where they are declared; those of other files here."""
        was, now = self._old.resolve(old, old_scope), self._new.resolve(new, new_scope)
        changed = Change("FIELD_NAMED_TYPE_CHANGED", "", f"{old} to {new}")
        if was is None or now is None:
            return [] if old == new else [changed]
        if was.local_name != now.local_name:
            return [changed]
        if was.origin == now.origin:
            return []
        found = yield was, now
        return found if VERDICTS.fits(found) else [*found, changed]


class _Place(NamedTuple):
    """A field, and the name of the oneof that it is in."""

    field: Field
    oneof: str = ""


def _placed(message: Message) -> dict[int, _Place]:
    """Fields by their numbers."""
    placed = {field.number: _Place(field) for field in message.fields}
    for oneof in message.oneofs:
        placed |= {field.number: _Place(field, oneof.name) for field in oneof.fields}
    return placed


def _gone(was: _Place, kept: Set[str]) -> list[Change]:
    """A number that is not used any more. Where a oneof is gone with all that was in it, that is told instead."""
    if not was.oneof:
        required = "REQUIRED_" if was.field.label is Label.REQUIRED else ""
        return [Change(f"{required}FIELD_REMOVED", "", was.field.name)]
    return [Change("ONEOF_FIELD_REMOVED", "", was.field.name)] if was.oneof in kept else []


def _kept_oneofs(was: Mapping[int, _Place], now: Mapping[int, _Place], new: Message) -> Set[str]:
    """Oneofs that are there still, or fields that were in them."""
    left = {place.oneof for number, place in was.items() if place.oneof and number in now}
    return left | {oneof.name for oneof in new.oneofs}


def _came(now: _Place) -> Change:
    """A number that was not used before."""
    if now.oneof:
        return Change("ONEOF_FIELD_ADDED", "", now.field.name)
    required = "REQUIRED_" if now.field.label is Label.REQUIRED else ""
    return Change(f"{required}FIELD_ADDED", "", now.field.name)


def _left_oneof(was: _Place, now: _Place) -> list[Change]:
    """A field that excluded others, and does not any more. It could be left out before, so it must not be required."""
    if not was.oneof or now.oneof:
        return []
    changes = [Change("ONEOF_FIELD_MOVED_TO_TOP_LEVEL", "", now.field.name)]
    if now.field.label is Label.REQUIRED:
        changes.append(Change("REQUIRED_FIELD_ADDED", "", now.field.name))
    return changes


def _oneofs(old: Message, new: Message) -> list[Change]:
    """Those that came or went, and fields that exclude each other now and could be there together before."""
    before, after = ({oneof.name for oneof in message.oneofs} for message in (old, new))
    changes = [Change("ONEOF_REMOVED", name, name) for name in sorted(before - after)]
    was = _placed(old)
    for oneof in new.oneofs:
        if oneof.name not in before:
            changes.append(Change("ONEOF_ADDED", oneof.name, oneof.name))
        known = [was[field.number] for field in oneof.fields if field.number in was]
        alone = sum(not place.oneof for place in known)
        together = len({place.oneof for place in known if place.oneof})
        if alone + together > 1:
            kind = "MULTIPLE_FIELDS_MOVED_TO_ONEOF" if alone > 1 else "FIELD_MOVED_TO_EXISTING_ONEOF"
            changes.append(Change(kind, oneof.name, oneof.name))
    return changes


def _types(old: Declared, new: Declared) -> Steps:
    """What is declared in a file or a message. Messages and enums have names of their own."""
    changes: list[Change] = []
    for is_enum, kind in ((False, "MESSAGE"), (True, "ENUM")):
        was = {declared.name: declared for declared in old.inner if declared.is_enum is is_enum}
        now = {declared.name: declared for declared in new.inner if declared.is_enum is is_enum}
        changes += [Change(f"{kind}_REMOVED", name, name) for name in was if name not in now]
        changes += [Change(f"{kind}_ADDED", name, name) for name in now if name not in was]
        order = {name: index for index, name in enumerate(was)}
        for index, name in enumerate(now):
            if name in was:
                changes += below(name, (yield was[name], now[name]))
                if not is_enum and order.get(name) != index:
                    changes.append(Change("MESSAGE_MOVED", name, name))
    return changes


def _constants(old: Enum, new: Enum) -> list[Change]:
    was, now = _names(old), _names(new)
    changes = []
    for number in sorted({*was, *now}):
        if number not in now:
            changes.append(Change("ENUM_CONST_REMOVED", str(number), was[number]))
        elif number not in was:
            changes.append(Change("ENUM_CONST_ADDED", str(number), now[number]))
        elif was[number] != now[number]:
            changes.append(Change("ENUM_CONST_CHANGED", str(number), f"{was[number]} to {now[number]}"))
    return changes


def _names(enum: Enum) -> dict[int, str]:
    names: dict[int, list[str]] = {}
    for constant in enum.constants:
        names.setdefault(constant.number, []).append(constant.name)
    return {number: ", ".join(sorted(aliases)) for number, aliases in names.items()}
