"""What is common to schemas of all formats: the bounds that hold for them, and why one is refused."""

from __future__ import annotations

from tidings.errors import ClientError

TEXT_CHARS_MAX = 1 << 20
"""Of a schema, and of each it refers to. A record on the topic of schemas has no room for more either."""
REFERENCES_MAX = 1000
DEPTH_MAX = 128
"""Of brackets in a text. A property of an object takes two of them, a field of an Avro record three."""


class SchemaError(ClientError):
    """A schema that we do not take. `path` is where the trouble is."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class TooCostlyError(SchemaError):
    """Comparing these two schemas would take longer than we allow."""


def refuse_large(text: str, name: str = "the schema") -> None:
    """Raises SchemaError if `text` is longer than we read."""
    if len(text) > TEXT_CHARS_MAX:
        raise SchemaError(f"{name} has {len(text)} characters; at most {TEXT_CHARS_MAX} are taken")
