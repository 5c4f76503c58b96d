"""Writes the function that reads one version of a message.

It takes a memoryview, a position and the view's size, and makes objects without calling `__init__`. What is common is
done in place: a string or an array of fewer than 127 elements, and no tagged fields. The rest is left to `primitives`.

It does not check for the end of the buffer each time. A read behind the end raises IndexError or `struct.error`, and
a slice that is too short leaves the position behind the end, where `codec.decode` finds it. Only what is allocated by a
number from the wire, which is to say arrays, is checked first, against the bytes that remain.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct as Packer
from struct import unpack_from
from typing import Any

from tidings.wire.message import Array, Field, FieldKind, Kind, Struct
from tidings.wire.source import Source, bytes_min, packer

Read = Callable[[memoryview, int], tuple[Any, int]]


def compile_reader(cls: type[Struct], version: int, flexible: bool) -> Read:
    source = _Reader(cls.__name__, version, flexible)
    source.add(0, "def read(buf, pos):")
    source.structure(1, cls, "o")
    source.add(1, "return o, pos")
    read: Read = source.compile("read")
    return read


class _Reader(Source):
    depth = 0

    def structure(self, indent: int, cls: type[Struct], o: str) -> None:
        """Lines that read a `cls` and name it `o`."""
        self.names["new"] = object.__new__
        self.add(indent, f"{o} = new({self.use(cls, 'cls')})")
        tagged = self.tagged(cls)
        for f in self.absent(cls) + tagged:
            self.add(indent, f"{o}.{f.name} = {self.default(f)}")
        for fixed, run in self.plain(cls):
            if fixed:
                targets = "".join(f"{o}.{f.name}, " for f in run)
                self.unpack(indent, targets, packer(run))
            else:
                for f in run:
                    self.value(indent, f, f.kind, f"{o}.{f.name}", f.nullable_in(self.version))
        if self.flexible:
            self.tagged_fields(indent, tagged, o)

    def default(self, f: Field) -> str:
        return "[]" if isinstance(f.default, list) else self.use(f.default, "default")

    def unpack(self, indent: int, targets: str, packed: Packer) -> None:
        self.add(indent, f"{targets}= {self.use(packed.unpack_from, 'unpack')}(buf, pos)", f"pos += {packed.size}")

    def value(self, indent: int, f: Field, kind: FieldKind, target: str, nullable: bool) -> None:
        if isinstance(kind, Array):
            self.array(indent, f, kind, target, nullable)
        elif not isinstance(kind, Kind):
            self.nested(indent, f, kind, target, nullable)
        elif kind.format:
            self.unpack(indent, f"{target}, ", Packer(">" + kind.format))
        elif kind.name == "string":
            self.string(indent, f, target, nullable)
        else:
            read = self.primitive(f"read_{'compact_' if self.is_compact(f) else ''}nullable_{kind.name}")
            self.add(indent, f"{target}, pos = {read}(buf, pos)")
            if not nullable:
                self.add(indent, f"if {target} is None:")
                self.null(indent + 1, f)

    def null(self, indent: int, f: Field) -> None:
        self.add(indent, f"raise MalformedError('{f.name} is null, and must not be')")

    def string(self, indent: int, f: Field, target: str, nullable: bool) -> None:
        if self.is_compact(f):
            self.add(
                indent,
                "size = buf[pos]",
                "if 0 < size < 128:",
                f"  {target} = buf[pos + 1:pos + size].tobytes().decode()",
                "  pos += size",
            )
            if nullable:
                self.add(indent, "elif size == 0:", f"  {target} = None", "  pos += 1")
            self.add(indent, "else:")
            read = self.primitive("read_compact_nullable_string")
        else:
            self.names["int16"] = Packer(">h").unpack_from
            self.add(
                indent,
                "size, = int16(buf, pos)",
                "if size >= 0:",
                "  pos += 2",
                f"  {target} = buf[pos:pos + size].tobytes().decode()",
                "  pos += size",
                "else:",
            )
            read = self.primitive("read_nullable_string")
        self.add(indent + 1, f"{target}, pos = {read}(buf, pos)")
        if not nullable:
            self.add(indent + 1, f"if {target} is None:")
            self.null(indent + 2, f)

    def nested(self, indent: int, f: Field, cls: type[Struct], target: str, nullable: bool) -> None:
        if nullable:
            self.add(indent, "present = buf[pos]", "pos += 1", "if present == 255:", f"  {target} = None")
            self.add(indent, "elif present != 1:")
            self.add(indent + 1, f"raise MalformedError('{f.name} is neither null nor there')")
            self.add(indent, "else:")
            indent += 1
        self.depth += 1
        self.structure(indent, cls, f"o{self.depth}")
        self.add(indent, f"{target} = o{self.depth}")
        self.depth -= 1

    def array(self, indent: int, f: Field, kind: Array, target: str, nullable: bool) -> None:
        self.count(indent, f, kind)
        self.add(indent, "if count < 0:")
        if nullable:
            self.add(indent + 1, f"{target} = None")
        else:
            self.null(indent + 1, f)
        self.add(indent, "else:")
        self.elements(indent + 1, f, kind, target)

    def count(self, indent: int, f: Field, kind: Array) -> None:
        least = bytes_min(kind.of, self.version, self.flexible)
        if self.is_compact(f):
            size = self.primitive("read_compact_array_size")
            self.add(indent, "count = buf[pos] - 1", "pos += 1", "if count > 126:")
            self.add(indent + 1, f"count, pos = {size}(buf, pos - 1, {least})")
        else:
            size = self.primitive("read_array_size")
            self.names["int32"] = Packer(">i").unpack_from
            self.add(indent, "count, = int32(buf, pos)", "pos += 4", "if not -1 <= count < 127:")
            self.add(indent + 1, f"count, pos = {size}(buf, pos - 4, {least})")

    def elements(self, indent: int, f: Field, kind: Array, target: str) -> None:
        if isinstance(kind.of, Kind) and kind.of.name == "uuid":
            self.add(indent, f"{target} = [buf[at:at + 16].tobytes() for at in range(pos, pos + 16 * count, 16)]")
            self.add(indent, "pos += 16 * count")
        elif isinstance(kind.of, Kind) and kind.of.format:
            self.names["unpack_from"] = unpack_from
            self.add(indent, f"{target} = list(unpack_from(f'>{{count}}{kind.of.format}', buf, pos))")
            self.add(indent, f"pos += {kind.of.bytes_min} * count")
        else:
            self.depth += 1
            items, item = f"items{self.depth}", f"o{self.depth}"
            self.add(indent, f"{target} = {items} = []", "for _ in range(count):")
            if isinstance(kind.of, Kind | Array):
                self.value(indent + 1, f, kind.of, item, nullable=False)
            else:
                self.structure(indent + 1, kind.of, item)
            self.add(indent + 1, f"{items}.append({item})")
            self.depth -= 1

    def tagged_fields(self, indent: int, tagged: list[Field], o: str) -> None:
        self.add(indent, "if buf[pos] == 0:", "  pos += 1", "else:")
        indent += 1
        if not tagged:
            self.add(indent, f"pos = {self.primitive('skip_tagged_fields')}(buf, pos)")
            return
        self.depth += 1
        end = f"end{self.depth}"
        self.add(indent, f"for tag, pos, {end} in {self.primitive('each_tagged_field')}(buf, pos):")
        for index, f in enumerate(tagged):
            self.add(indent + 1, f"{'el' if index else ''}if tag == {f.tag}:")
            self.value(indent + 2, f, f.kind, f"{o}.{f.name}", f.nullable_in(self.version))
            self.add(indent + 2, f"if pos != {end}:")
            self.add(indent + 3, f"raise MalformedError('tagged field {f.name} does not fill its size')")
        self.add(indent, f"pos = {end}")
        self.depth -= 1
