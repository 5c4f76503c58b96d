"""Compiles, for one message and one version, the function that reads it and the function that writes it.

The source is generated once per version and cached. Neighbouring fixed-width fields become one `struct` call; what is
not in the version does not appear at all. `read` builds objects without calling `__init__`; `write` yields a list of
byte strings, so that record batches travel from file to socket as the buffers they are.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple, TypeVar, cast

from tidings.wire import primitives
from tidings.wire.message import Array, Field, FieldKind, Kind, Message, Struct
from tidings.wire.primitives import Buffer, MalformedError

M = TypeVar("M", bound=Message)


def decode(cls: type[M], version: int, buf: Buffer, pos: int = 0) -> tuple[M, int]:
    """Read a message at `pos`; return it and the position behind it. Raises MalformedError."""
    try:
        message, pos = codec(cls, version).read(buf, pos)
    except (struct.error, IndexError) as error:
        raise MalformedError(f"{cls.__name__} v{version} is cut short at {len(buf)} bytes") from error
    if pos > len(buf):
        raise MalformedError(f"{cls.__name__} v{version} is cut short at {len(buf)} bytes")
    return cast("M", message), pos


def encode(message: Message, version: int) -> list[Buffer]:
    """The message as pieces, to be sent one after the other."""
    parts: list[Buffer] = []
    codec(type(message), version).write(message, parts.append)
    return parts


def encode_bytes(message: Message, version: int) -> bytes:
    return b"".join(encode(message, version))


class Codec(NamedTuple):
    read: Callable[[Buffer, int], tuple[Any, int]]
    write: Callable[[Any, Callable[[Buffer], None]], None]


@cache
def codec(cls: type[Message], version: int) -> Codec:
    first, last = cls.versions
    if not first <= version <= last:
        raise MalformedError(f"{cls.__name__} has no version {version}; it has {first} to {last}")
    return _struct_codec(cls, version, version >= cls.flexible_since)


@cache
def _struct_codec(cls: type[Struct], version: int, flexible: bool) -> Codec:
    reader = _ReaderSource(cls, version, flexible)
    writer = _WriterSource(cls, version, flexible)
    return Codec(reader.compile("read"), writer.compile("write"))


@cache
def _bytes_min(kind: FieldKind, version: int, flexible: bool) -> int:
    """The fewest bytes a value can take on the wire: what bounds the count of an array."""
    if isinstance(kind, Kind):
        return kind.bytes_min
    if isinstance(kind, Array):
        return 1 if flexible else 4
    return sum(
        1 if f.nullable_in(version) and not isinstance(f.kind, Kind) else _bytes_min(f.kind, version, flexible)
        for f in kind.FIELDS
        if f.in_version(version) and not f.tagged_in(version)
    ) + (1 if flexible else 0)


class _Source:
    """Lines of a function under construction, and the names it uses."""

    def __init__(self, cls: type[Struct], version: int, flexible: bool) -> None:
        self.cls = cls
        self.version = version
        self.flexible = flexible
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"MalformedError": MalformedError}
        present = [f for f in cls.FIELDS if f.in_version(version)]
        self.plain = [f for f in present if not f.tagged_in(version)]
        self.tagged = sorted((f for f in present if f.tagged_in(version)), key=lambda f: f.tag or 0)
        self.absent = [f for f in cls.FIELDS if not f.in_version(version)]

    def add(self, indent: int, line: str) -> None:
        self.lines.append("  " * indent + line)

    def use(self, value: Any, hint: str) -> str:
        """A name in the generated source that stands for `value`."""
        name = f"{hint}_{len(self.names)}"
        self.names[name] = value
        return name

    def primitive(self, name: str) -> str:
        self.names[name] = getattr(primitives, name)
        return name

    def compact(self, f: Field) -> str:
        return "compact_" if self.flexible and f.compact else ""

    def runs(self) -> list[tuple[bool, list[Field]]]:
        """Plain fields in order, neighbouring fixed-width ones together."""
        return [(fixed, list(run)) for fixed, run in groupby(self.plain, _is_fixed)]

    def compile(self, function: str) -> Any:
        title = f"<{self.cls.__name__} v{self.version} {function}>"
        exec(compile("\n".join(self.lines), title, "exec"), self.names)
        return self.names[function]


def _is_fixed(f: Field) -> bool:
    return isinstance(f.kind, Kind) and f.kind.format != ""


def _packer(run: list[Field]) -> struct.Struct:
    return struct.Struct(">" + "".join(cast("Kind", f.kind).format for f in run))


class _ReaderSource(_Source):
    def __init__(self, cls: type[Struct], version: int, flexible: bool) -> None:
        super().__init__(cls, version, flexible)
        self.add(0, "def read(buf, pos):")
        self.names["new"] = object.__new__
        self.names["cls"] = cls
        self.add(1, "o = new(cls)")
        for f in self.absent + self.tagged:
            self._default(1, f)
        for fixed, run in self.runs():
            if fixed:
                packer = _packer(run)
                unpack = self.use(packer.unpack_from, "unpack")
                targets = "".join(f"o.{f.name}, " for f in run)
                self.add(1, f"{targets}= {unpack}(buf, pos)")
                self.add(1, f"pos += {packer.size}")
            else:
                for f in run:
                    self._value(1, f, f.kind, f"o.{f.name}", f.nullable_in(version))
        if flexible:
            self._tagged_fields()
        self.add(1, "return o, pos")

    def _default(self, indent: int, f: Field) -> None:
        if isinstance(f.default, list):
            self.add(indent, f"o.{f.name} = []")
        elif isinstance(f.default, type):
            self.add(indent, f"o.{f.name} = {self.use(f.default, 'make')}()")
        else:
            self.add(indent, f"o.{f.name} = {self.use(f.default, 'default')}")

    def _value(self, indent: int, f: Field, kind: FieldKind, target: str, nullable: bool) -> None:
        if isinstance(kind, Array):
            self._array(indent, f, kind, target, nullable)
        elif isinstance(kind, Kind):
            if kind.format:
                packer = struct.Struct(">" + kind.format)
                self.add(indent, f"{target}, = {self.use(packer.unpack_from, 'unpack')}(buf, pos)")
                self.add(indent, f"pos += {packer.size}")
            else:
                base = "bytes" if kind.name == "records" else kind.name
                reader = self.primitive(f"read_{self.compact(f)}{'nullable_' if nullable else ''}{base}")
                self.add(indent, f"{target}, pos = {reader}(buf, pos)")
        else:
            self._struct(indent, f, kind, target, nullable)

    def _struct(self, indent: int, f: Field, cls: type[Struct], target: str, nullable: bool) -> None:
        read = self.use(_struct_codec(cls, self.version, self.flexible).read, "read")
        if nullable:
            self.add(indent, "present = buf[pos]")
            self.add(indent, "pos += 1")
            self.add(indent, "if present == 1:")
            self.add(indent + 1, f"{target}, pos = {read}(buf, pos)")
            self.add(indent, "elif present == 255:")
            self.add(indent + 1, f"{target} = None")
            self.add(indent, "else:")
            self.add(indent + 1, f"raise MalformedError('{f.name} is neither null nor there')")
        else:
            self.add(indent, f"{target}, pos = {read}(buf, pos)")

    def _array(self, indent: int, f: Field, kind: Array, target: str, nullable: bool) -> None:
        size = self.primitive(f"read_{self.compact(f)}array_size")
        self.add(indent, f"count, pos = {size}(buf, pos, {_bytes_min(kind.of, self.version, self.flexible)})")
        self.add(indent, "if count < 0:")
        if nullable:
            self.add(indent + 1, f"{target} = None")
        else:
            self.add(indent + 1, f"raise MalformedError('{f.name} is null, and must not be')")
        self.add(indent, "else:")
        indent += 1
        if isinstance(kind.of, Kind) and kind.of.format:
            if kind.of.name == "uuid":
                self.add(indent, f"{target} = [bytes(buf[at:at + 16]) for at in range(pos, pos + 16 * count, 16)]")
            else:
                unpack = self.use(struct.unpack_from, "unpack")
                self.add(indent, f"{target} = list({unpack}('>' + str(count) + '{kind.of.format}', buf, pos))")
            self.add(indent, f"pos += {kind.of.bytes_min} * count")
            return
        self.add(indent, f"{target} = items = []")
        self.add(indent, "for _ in range(count):")
        self._value(indent + 1, f, kind.of, "item", nullable=False)
        self.add(indent + 1, "items.append(item)")

    def _tagged_fields(self) -> None:
        tagged_fields = self.primitive("tagged_fields")
        if not self.tagged:
            # Nearly always a single zero: there are none.
            self.add(1, "if buf[pos]:")
            self.add(2, f"_, pos = {tagged_fields}(buf, pos)")
            self.add(1, "else:")
            self.add(2, "pos += 1")
            return
        self.add(1, f"tags, after = {tagged_fields}(buf, pos)")
        self.add(1, "for tag, pos, end in tags:")
        for index, f in enumerate(self.tagged):
            self.add(2, f"{'el' if index else ''}if tag == {f.tag}:")
            self._value(3, f, f.kind, f"o.{f.name}", f.nullable_in(self.version))
            self.add(3, "if pos != end:")
            self.add(4, f"raise MalformedError('tagged field {f.name} does not fill its size')")
        self.add(1, "pos = after")


class _WriterSource(_Source):
    def __init__(self, cls: type[Struct], version: int, flexible: bool) -> None:
        super().__init__(cls, version, flexible)
        self.add(0, "def write(o, add):")
        for fixed, run in self.runs():
            if fixed:
                values = ", ".join(f"o.{f.name}" for f in run)
                self.add(1, f"add({self.use(_packer(run).pack, 'pack')}({values}))")
            else:
                for f in run:
                    self._value(1, f, f.kind, f"o.{f.name}", f.nullable_in(version))
        if flexible:
            self._tagged_fields()
        elif not self.plain:
            self.add(1, "pass")

    def _value(self, indent: int, f: Field, kind: FieldKind, value: str, nullable: bool) -> None:
        if isinstance(kind, Array):
            self._array(indent, f, kind, value, nullable)
        elif isinstance(kind, Kind):
            self._kind(indent, f, kind, value, nullable)
        else:
            self._struct(indent, kind, value, nullable)

    def _kind(self, indent: int, f: Field, kind: Kind, value: str, nullable: bool) -> None:
        if kind.format:
            pack = self.use(struct.Struct(">" + kind.format).pack, "pack")
            self.add(indent, f"add({pack}({value}))")
        elif kind.name == "string":
            writer = self.primitive(f"write_{self.compact(f)}{'nullable_' if nullable else ''}string")
            self.add(indent, f"add({writer}({value}))")
        else:
            prefix = self.primitive(f"{self.compact(f)}bytes_prefix")
            self.add(indent, f"add({prefix}({value}))")
            self.add(indent, f"if {value}:")
            self.add(indent + 1, f"add({value})")

    def _struct(self, indent: int, cls: type[Struct], value: str, nullable: bool) -> None:
        write = self.use(_struct_codec(cls, self.version, self.flexible).write, "write")
        if nullable:
            self.add(indent, f"if {value} is None:")
            self.add(indent + 1, r"add(b'\xff')")
            self.add(indent, "else:")
            indent += 1
            self.add(indent, r"add(b'\x01')")
        self.add(indent, f"{write}({value}, add)")

    def _array(self, indent: int, f: Field, kind: Array, value: str, nullable: bool) -> None:
        size = self.primitive(f"write_{self.compact(f)}array_size")
        if nullable:
            self.add(indent, f"if {value} is None:")
            self.add(indent + 1, f"add({size}(-1))")
            self.add(indent, "else:")
            indent += 1
        self.add(indent, f"add({size}(len({value})))")
        if isinstance(kind.of, type):
            write = self.use(_struct_codec(kind.of, self.version, self.flexible).write, "write")
            self.add(indent, f"for item in {value}:")
            self.add(indent + 1, f"{write}(item, add)")
        else:
            self.add(indent, f"for item in {value}:")
            self._value(indent + 1, f, kind.of, "item", nullable=False)

    def _tagged_fields(self) -> None:
        if not self.tagged:
            self.add(1, r"add(b'\0')")
            return
        uvarint = self.primitive("write_uvarint")
        self.add(1, "tags = []")
        for f in self.tagged:
            default = f.fresh_default()
            missing = self.use(default() if isinstance(default, type) else default, "default")
            self.add(1, f"if o.{f.name} != {missing}:")
            self.add(2, "parts = []")
            self.add(2, "outer, add = add, parts.append")
            self._value(2, f, f.kind, f"o.{f.name}", f.nullable_in(self.version))
            self.add(2, "add = outer")
            self.add(2, f"tags.append(({f.tag}, b''.join(parts)))")
        self.add(1, f"add({uvarint}(len(tags)))")
        self.add(1, "for tag, value in tags:")
        self.add(2, f"add({uvarint}(tag) + {uvarint}(len(value)))")
        self.add(2, "add(value)")
