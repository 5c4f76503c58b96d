"""Prometheus' text format, version 0.0.4: how samples are written down. Pure.

Not `prometheus-client`: to import it takes half as long again as the broker to start, for the sake of these few lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """What is measured. `labels` are the names of what a value is told apart by."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


class Sample(NamedTuple):
    """One value. `suffix` is for the parts of a histogram, `more` for their labels."""

    of: tuple[str, ...]
    value: float
    suffix: str = ""
    more: str = ""


def head(metric: Metric) -> str:
    """The lines that come before the samples of a metric."""
    escaped = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {metric.name} {escaped}\n# TYPE {metric.name} {metric.kind}\n"


def line(metric: Metric, sample: Sample) -> str:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(metric.labels, sample.of, strict=True)]
    if sample.more:
        pairs.append(sample.more)
    labels = f"{{{','.join(pairs)}}}" if pairs else ""
    return f"{metric.name}{sample.suffix}{labels} {sample.value!r}\n"


def histogram(of: tuple[str, ...], ends: Iterable[float], counts: Iterable[int], total: float) -> Iterator[Sample]:
    """`counts` are per bucket, one more than `ends`; Prometheus wants each with all below it."""
    below = 0
    for end, count in zip([*map(repr, ends), "+Inf"], counts, strict=True):
        below += count
        yield Sample(of, below, "_bucket", f'le="{end}"')
    yield Sample(of, total, "_sum")
    yield Sample(of, below, "_count")


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
