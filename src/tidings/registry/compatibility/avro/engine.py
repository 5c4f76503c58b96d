"""Avro behind the one interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tidings.registry.compatibility.avro.differences import diff
from tidings.registry.compatibility.avro.parsing import parse
from tidings.registry.compatibility.avro.types import AvroSchema
from tidings.registry.compatibility.avro.verdicts import VERDICTS
from tidings.registry.compatibility.avro.writing import canonical, normalized
from tidings.registry.compatibility.engine import Engine


def _references(schema: AvroSchema) -> Sequence[str]:
    return schema.references


ENGINE: Final = Engine("AVRO", parse, canonical, normalized, _references, diff, VERDICTS)
