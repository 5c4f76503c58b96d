"""What the tests ask of an engine, in a line each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tidings.registry.compatibility.formats import engine_for
from tidings.registry.compatibility.levels import Level
from tidings.registry.compatibility.problem import problems

Schema = Any
"""A text, or JSON that stands for one."""


def text_of(schema: Schema) -> str:
    return schema if isinstance(schema, str) else json.dumps(schema)


class Asking:
    """One format."""

    def __init__(self, name: str) -> None:
        self.engine = engine_for(name)

    def parse(self, schema: Schema, references: Mapping[str, str] | None = None) -> Any:
        return self.engine.parse(text_of(schema), references or {})

    def changes(self, old: Schema, new: Schema) -> list[str]:
        """Each as `KIND path`, in order of paths."""
        found = self.engine.diff(self.parse(old), self.parse(new))
        return sorted(f"{change.kind} {change.path}" for change in found)

    def is_backward(self, old: Schema, new: Schema) -> bool:
        return self.engine.verdicts.fits(self.engine.diff(self.parse(old), self.parse(new)))

    def is_forward(self, old: Schema, new: Schema) -> bool:
        return self.is_backward(new, old)

    def messages(self, level: Level, new: Schema, *previous: Schema) -> list[str]:
        return [str(found) for found in problems(self.engine, level, self.parse(new), list(map(self.parse, previous)))]
