"""Writes the function that writes one version of a message.

It hands byte strings to `add`, one after the other. A size that takes one byte, as nearly all do, is written in place.
Record batches are handed on as the buffers they are, so that they travel from file to socket without a copy.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct as Packer
from typing import Any

from tidings.wire.message import Array, Field, FieldKind, Kind, Struct
from tidings.wire.primitives import ONE_BYTE, Buffer
from tidings.wire.source import Source, packer

Write = Callable[[Any, Callable[[Buffer], None]], None]


def compile_writer(cls: type[Struct], version: int, flexible: bool) -> Write:
    source = _Writer(cls.__name__, version, flexible)
    source.add(0, "def write(o, add):")
    source.structure(1, cls, "o")
    source.add(1, "return")
    write: Write = source.compile("write")
    return write


class _Writer(Source):
    depth = 0

    def structure(self, indent: int, cls: type[Struct], o: str) -> None:
        """Lines that write the `cls` named `o`."""
        for fixed, run in self.plain(cls):
            if fixed:
                values = ", ".join(f"{o}.{f.name}" for f in run)
                self.add(indent, f"add({self.use(packer(run).pack, 'pack')}({values}))")
            else:
                for f in run:
                    self.value(indent, f, f.kind, f"{o}.{f.name}", f.nullable_in(self.version))
        if self.flexible:
            self.tagged_fields(indent, self.tagged(cls), o)

    def value(self, indent: int, f: Field, kind: FieldKind, value: str, nullable: bool) -> None:
        if isinstance(kind, Array):
            self.array(indent, f, kind, value, nullable)
        elif not isinstance(kind, Kind):
            self.nested(indent, kind, value, nullable)
        elif kind.format:
            self.add(indent, f"add({self.use(Packer('>' + kind.format).pack, 'pack')}({value}))")
        elif kind.name == "string":
            self.string(indent, f, value, nullable)
        else:
            prefix = "compact_bytes_prefix" if self.is_compact(f) else "bytes_prefix"
            self.add(indent, f"add({self.primitive(prefix)}({value}))", f"if {value}:", f"  add({value})")

    def string(self, indent: int, f: Field, value: str, nullable: bool) -> None:
        if not self.is_compact(f):
            write = self.primitive("write_nullable_string" if nullable else "write_string")
            self.add(indent, f"add({write}({value}))")
            return
        if nullable:
            self.add(indent, f"if {value} is None:", r"  add(b'\0')", "else:")
            indent += 1
        self.add(indent, f"text = {value}.encode()", "size = len(text) + 1")
        self.add(indent, f"add({self.one_byte()}[size] + text if size < 128 else {self.uvarint()}(size) + text)")

    def one_byte(self) -> str:
        self.names["one_byte"] = ONE_BYTE
        return "one_byte"

    def uvarint(self) -> str:
        return self.primitive("write_uvarint")

    def nested(self, indent: int, cls: type[Struct], value: str, nullable: bool) -> None:
        if nullable:
            self.add(indent, f"if {value} is None:", r"  add(b'\xff')", "else:", r"  add(b'\x01')")
            indent += 1
        self.depth += 1
        self.add(indent, f"o{self.depth} = {value}")
        self.structure(indent, cls, f"o{self.depth}")
        self.depth -= 1

    def array(self, indent: int, f: Field, kind: Array, value: str, nullable: bool) -> None:
        if nullable:
            null = r"b'\0'" if self.is_compact(f) else r"b'\xff\xff\xff\xff'"
            self.add(indent, f"if {value} is None:", f"  add({null})", "else:")
            indent += 1
        if self.is_compact(f):
            self.add(indent, f"size = len({value}) + 1")
            self.add(indent, f"add({self.one_byte()}[size] if size < 128 else {self.uvarint()}(size))")
        else:
            self.add(indent, f"add({self.primitive('write_array_size')}(len({value})))")
        self.depth += 1
        item = f"o{self.depth}"
        self.add(indent, f"for {item} in {value}:")
        if isinstance(kind.of, Kind | Array):
            self.value(indent + 1, f, kind.of, item, nullable=False)
        else:
            self.structure(indent + 1, kind.of, item)
        self.depth -= 1

    def tagged_fields(self, indent: int, tagged: list[Field], o: str) -> None:
        """Those that differ from their defaults. Each goes behind its size, and so is written aside first."""
        if not tagged:
            self.add(indent, r"add(b'\0')")
            return
        self.depth += 1
        tags, parts, outer = f"tags{self.depth}", f"parts{self.depth}", f"outer{self.depth}"
        self.add(indent, f"{tags} = None")
        for f in tagged:
            self.add(indent, f"if {self.differs(f, f'{o}.{f.name}')}:")
            self.add(indent + 1, f"{tags} = {tags} or []", f"{outer}, {parts} = add, []", f"add = {parts}.append")
            self.value(indent + 1, f, f.kind, f"{o}.{f.name}", f.nullable_in(self.version))
            self.add(indent + 1, f"add = {outer}", f"{tags}.append(({f.tag}, {parts}))")
        self.add(indent, f"if {tags} is None:", r"  add(b'\0')", "else:")
        self.add(indent + 1, f"{self.primitive('write_tagged_fields')}({tags}, add)")
        self.depth -= 1

    def differs(self, f: Field, value: str) -> str:
        """An expression: whether `value` is other than the default. That is nearly always the very same object."""
        default = self.use(f.default, "default")
        return f"{value} is not {default} and {value} != {default}"
