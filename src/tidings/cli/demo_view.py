"""What the demo shows. Pure: from numbers to what stands on the screen, in 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from tidings.cli.moments import span
from tidings.cli.screen import amount, table
from tidings.cli.tally import Tally, percentile

BARS = " ▁▂▃▄▅▆▇█"
SPARK_SECONDS = 24


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One process as it is now. `restart_s` is how long until it is started again, 0 while it runs."""

    name: str
    does: str
    pid: int | None
    restart_s: float
    waiting: int | None = None
    """The events that wait for it; None for one that reads none."""


class Pace:
    """How many orders came in each of the last seconds."""

    def __init__(self) -> None:
        self._counts: list[int] = []
        self._seconds: int | None = None
        self._orders = 0

    def note(self, now_s: float, orders: int) -> None:
        """To be told, often, how many there are in all."""
        second = int(now_s)
        if self._seconds is None:
            self._seconds = second
        for _ in range(second - self._seconds):
            self._counts.append(orders - self._orders)
            self._orders = orders
        self._seconds = second
        del self._counts[:-SPARK_SECONDS]

    @property
    def per_second(self) -> float:
        last = self._counts[-5:]
        return sum(last) / len(last) if last else 0.0

    def sparkline(self) -> str:
        highest = max(self._counts, default=0)
        return "".join(BARS[-(-count * (len(BARS) - 1) // highest) if highest else 0] for count in self._counts)


def live(tally: Tally, pace: Pace, services: Sequence[ServiceState]) -> RenderableType:
    """The part of the screen that moves."""
    return Group(_flow(tally, pace), Text(), _services(services))


def _flow(tally: Tally, pace: Pace) -> RenderableType:
    lines = table("", "", "", numbers=())
    lines.show_header = False
    lines.columns[1].justify = "right"
    lines.add_row(
        "orders",
        Text(amount(tally.orders), "number"),
        Text.assemble(f"{pace.per_second:5.1f} per second   ", (pace.sparkline(), "service")),
    )
    for name, count, times_ms in (
        ("shipped", tally.shipped, tally.shipping_ms),
        ("priced", tally.priced, tally.pricing_ms),
    ):
        latency = f"{span(percentile(times_ms, 0.5))} after the order; 99 % within {span(percentile(times_ms, 0.99))}"
        lines.add_row(name, Text(amount(count), "number"), Text(latency if times_ms else "", "quiet"))
    return lines


def _services(services: Sequence[ServiceState]) -> RenderableType:
    lines = table("service", "", "process", "waiting", "", numbers=("waiting",))
    for service in services:
        up = service.pid is not None
        lines.add_row(
            Text(service.name, "service" if up else "warn"),
            Text("up", "good") if up else Text(f"down, back in {service.restart_s:.0f} s", "warn"),
            str(service.pid) if up else "",
            "" if service.waiting is None else Text(amount(service.waiting), "warn" if service.waiting > 99 else ""),
            Text(service.does, "quiet"),
        )
    return lines


def one_line(tally: Tally, pace: Pace, services: Sequence[ServiceState]) -> str:
    """The same for those who have no screen."""
    down = [f", {service.name} is down" for service in services if service.pid is None]
    return (
        f"{amount(tally.orders)} orders ({pace.per_second:.1f} per second), {amount(tally.shipped)} shipped, "
        f"{amount(tally.priced)} priced{''.join(down)}"
    )


def next_steps(command: str, url: str | None, order_id: str, shipping_pid: int | None) -> RenderableType:
    """What to try now. `url` is None where it is the one that every command takes by itself."""
    lines = table("", "")
    lines.show_header = False
    steps = [
        (f"{command} trace {order_id}", "what became of an order"),
        (f"{command} tail shipments", "what is being shipped"),
        (f"{command} groups", "who reads, and how far behind"),
    ]
    if url is not None:
        steps.insert(0, (f"export TIDINGS_URL={url}", "so that commands find this broker"))
    if shipping_pid is not None:
        steps.append((f"kill -9 {shipping_pid}", "shipping dies, orders go on"))
    lines.columns[0].min_width = 2 + max(len(step) for step, _ in steps)  # to be copied, so never cut
    for step, why in steps:
        lines.add_row(Text(f"  {step}", "bold"), Text(why, "quiet"))
    return Group(Text("Try in another terminal:"), lines, Text())
