"""How many times better than Kafka, a dot for each figure, on a logarithmic scale, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from benchmarks.broker.brokers import KAFKA
from benchmarks.results import TIDINGS, Figure, tables

WIDTH = 1000
LEFT = 390
RIGHT = 90
TOP = 76
LINE = 20
GAP = 30
"""Pixels. LEFT is for the names, RIGHT for the ratios in figures, GAP for the heading of a table."""

INK, FAINT, MET, MISSED, WORSE = "#24292f", "#d0d7de", "#1a7f37", "#bf8700", "#cf222e"


def svg(figures: Sequence[Figure]) -> str:
    """Those with a target beside Kafka. To the right of the line at 1x Tidings is better; whiskers are the worst and
    the best round of one beside the best and the worst of the other; a tick is the target."""
    compared = [figure for figure in figures if figure.times_better(KAFKA) and _wanted(figure)]
    ends = [times for figure in compared for times in _whisker(figure)]
    scale = _Scale(min([0.5, *ends]), max([2.0, *ends]))
    parts: list[str] = []
    y = float(TOP)
    for title, rows in tables(compared).items():
        y += GAP
        parts.append(_text(10, y, title, weight="bold"))
        for figure in rows:
            y += LINE
            parts.extend(_row(figure, y, scale))
    return "\n".join([*_frame(y + LINE, scale), *parts, "</svg>"]) + "\n"


class _Scale:
    """From times better to pixels."""

    def __init__(self, lowest: float, highest: float) -> None:
        self.low = math.floor(math.log10(lowest) * 2) / 2
        self.high = math.ceil(math.log10(highest) * 2) / 2

    def x(self, times: float) -> float:
        share = (math.log10(times) - self.low) / (self.high - self.low)
        return LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT)

    def marks(self) -> Iterable[float]:
        for power in range(math.floor(self.low), math.ceil(self.high) + 1):
            for step in (1, 2, 5):
                times = step * 10.0**power
                if self.low <= math.log10(times) <= self.high:
                    yield times


def _whisker(figure: Figure) -> tuple[float, float]:
    """The worst and the best that the rounds allow."""
    (our_low, our_high), (their_low, their_high) = figure.spread(TIDINGS), figure.spread(KAFKA)
    if figure.quantity.more_is_better:
        ends = our_low / (their_high or our_low), our_high / (their_low or our_high)
    else:
        ends = their_low / (our_high or their_low), their_high / (our_low or their_high)
    return max(ends[0], 1e-3), max(ends[1], 1e-3)


def _wanted(figure: Figure) -> float | None:
    target = figure.quantity.target
    if target is None or not target.beside:
        return None
    return target.value if figure.quantity.more_is_better else 1 / target.value


def _frame(height: float, scale: _Scale) -> Iterable[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'font-family="system-ui, sans-serif" font-size="12" role="img">'
    )
    yield "<title>Tidings beside Apache Kafka</title>"
    yield f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>'
    yield _text(10, 24, "How many times better than Apache Kafka (faster, sooner, smaller)", weight="bold")
    yield _text(
        10,
        42,
        "dot: median, line: spread of the rounds, tick: target; green: met, yellow: better than Kafka only, red: worse",
    )
    for times in scale.marks():
        x = scale.x(times)
        yield _line(x, TOP, x, height - 8, INK if times == 1 else FAINT)
        yield _text(x, TOP - 6, f"{times:g}x", anchor="middle")


def _row(figure: Figure, y: float, scale: _Scale) -> Iterable[str]:
    times = figure.times_better(KAFKA)
    assert times is not None
    colour = MET if figure.met(KAFKA) else MISSED if times >= 1 else WORSE
    low, high = _whisker(figure)
    middle = y - 4
    yield _text(LEFT - 12, y, figure.quantity.name, anchor="end")
    yield _line(scale.x(low), middle, scale.x(high), middle, colour)
    wanted = _wanted(figure)
    if wanted is not None:
        yield _line(scale.x(wanted), middle - 6, scale.x(wanted), middle + 6, INK, width=2)
    yield f'<circle cx="{scale.x(times):.1f}" cy="{middle:.1f}" r="4" fill="{colour}"/>'
    yield _text(WIDTH - 10, y, f"{times:.2g}x" if times < 10 else f"{times:.0f}x", anchor="end")


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, width: float = 1) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width:g}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    look = f'text-anchor="{anchor}" font-weight="{weight}" fill="{INK}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{escape(text)}</text>'
