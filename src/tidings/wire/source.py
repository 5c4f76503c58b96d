"""What `reading` and `writing` share: the lines of a function under construction, and the names they use."""

from __future__ import annotations

from itertools import groupby
from struct import Struct as Packer
from typing import Any, cast

from tidings.wire import primitives
from tidings.wire.message import Array, Field, FieldKind, Kind, Struct
from tidings.wire.primitives import MalformedError


class Source:
    """Python source of one function, for one version of one message. Structures inside it are written out in place."""

    def __init__(self, title: str, version: int, flexible: bool) -> None:
        self.title = title
        self.version = version
        self.flexible = flexible
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"MalformedError": MalformedError}

    def add(self, indent: int, *lines: str) -> None:
        self.lines += ["  " * indent + line for line in lines]

    def use(self, value: Any, hint: str) -> str:
        """A name in the source that stands for `value`."""
        name = f"{hint}_{len(self.names)}"
        self.names[name] = value
        return name

    def primitive(self, name: str) -> str:
        self.names[name] = getattr(primitives, name)
        return name

    def is_compact(self, f: Field) -> bool:
        return self.flexible and f.compact

    def plain(self, cls: type[Struct]) -> list[tuple[bool, list[Field]]]:
        """The untagged fields of this version in order, neighbouring ones of fixed width together (True)."""
        fields = [f for f in cls.FIELDS if f.in_version(self.version) and not f.tagged_in(self.version)]
        return [(fixed, list(run)) for fixed, run in groupby(fields, is_fixed)]

    def tagged(self, cls: type[Struct]) -> list[Field]:
        fields = [f for f in cls.FIELDS if f.in_version(self.version) and f.tagged_in(self.version)]
        return sorted(fields, key=lambda f: f.tag or 0)

    def absent(self, cls: type[Struct]) -> list[Field]:
        return [f for f in cls.FIELDS if not f.in_version(self.version)]

    def compile(self, function: str) -> Any:
        exec(compile("\n".join(self.lines), f"<{self.title} v{self.version} {function}>", "exec"), self.names)
        return self.names[function]


def is_fixed(f: Field) -> bool:
    return isinstance(f.kind, Kind) and f.kind.format != ""


def packer(run: list[Field]) -> Packer:
    return Packer(">" + "".join(cast("Kind", f.kind).format for f in run))


def bytes_min(kind: FieldKind, version: int, flexible: bool) -> int:
    """The fewest bytes a value can take on the wire: what bounds the count of an array."""
    if isinstance(kind, Kind):
        return kind.bytes_min
    if isinstance(kind, Array):
        return 1 if flexible else 4
    return sum(
        1 if f.nullable_in(version) and not isinstance(f.kind, Kind) else bytes_min(f.kind, version, flexible)
        for f in kind.FIELDS
        if f.in_version(version) and not f.tagged_in(version)
    ) + (1 if flexible else 0)
