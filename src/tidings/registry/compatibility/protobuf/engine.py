"""Protobuf behind the one interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tidings.registry.compatibility.engine import Engine
from tidings.registry.compatibility.protobuf.differences import diff
from tidings.registry.compatibility.protobuf.schema import ProtobufSchema, parse
from tidings.registry.compatibility.protobuf.verdicts import VERDICTS
from tidings.registry.compatibility.protobuf.writing import canonical, normalized


def _references(schema: ProtobufSchema) -> Sequence[str]:
    return schema.references


ENGINE: Final = Engine("PROTOBUF", parse, canonical, normalized, _references, diff, VERDICTS)
