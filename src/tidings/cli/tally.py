"""What became of the orders of one run, counted from the log. Pure: it is given records, in any order."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from tidings.service.trace import Sighting, Workflow, workflows

RECEIVED, SHIPPED, PRICED = "OrderReceived", "OrderShipped", "PriceChanged"
"""The shop's contract, as far as it is counted here: each order leads to one of each."""

LATENCIES = 1000
FLOWS_MAX = 100_000
SHOWN_ORDER = 10
"""The order whose trace is shown: not the first, which also waits for everything to be done for the first time."""


@dataclass(slots=True)
class Flow:
    """One workflow: the order it is about, and when each thing happened, by the log's own account."""

    order_id: str | None = None
    times_ms: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the orders that were accepted."""

    orders: int
    shipped: int
    priced: int
    lost: int
    """Accepted, and not shipped or not priced."""
    duplicated: int
    """Received, shipped or priced more than once."""


class Tally:
    """Counts the orders whose ids begin with `run`."""

    def __init__(self, run: str) -> None:
        self._prefix = f"{run}-"
        self._flows: dict[str, Flow] = {}
        self._shown: dict[str, list[Sighting]] = {}
        self.orders = 0
        self.shipped = 0
        self.priced = 0
        self.shipping_ms: deque[float] = deque(maxlen=LATENCIES)
        self.pricing_ms: deque[float] = deque(maxlen=LATENCIES)

    def add(self, event: Sighting) -> None:
        if event.type not in (RECEIVED, SHIPPED, PRICED) or event.workflow_id is None:
            return
        flow = self._flows.setdefault(event.workflow_id, Flow())
        before = self._counted(flow)
        if event.type == RECEIVED and event.key is not None and event.key.startswith(self._prefix):
            flow.order_id = event.key
        flow.counts[event.type] = flow.counts.get(event.type, 0) + 1
        flow.times_ms.setdefault(event.type, event.time_ms)
        self._remember_some(event, flow)
        self._count(flow, before)
        if len(self._flows) > FLOWS_MAX:
            oldest = next(iter(self._flows))
            del self._flows[oldest]
            self._shown.pop(oldest, None)

    def _counted(self, flow: Flow) -> tuple[bool, bool, bool]:
        """Whether the flow is an order of this run, shipped, priced."""
        ours = flow.order_id is not None
        return ours, ours and SHIPPED in flow.counts, ours and PRICED in flow.counts

    def _count(self, flow: Flow, before: tuple[bool, bool, bool]) -> None:
        ours, shipped, priced = (new and not old for new, old in zip(self._counted(flow), before, strict=True))
        self.orders += ours
        self.shipped += shipped
        self.priced += priced
        if shipped:
            self.shipping_ms.append(flow.times_ms[SHIPPED] - flow.times_ms[RECEIVED])
        if priced:
            self.pricing_ms.append(flow.times_ms[PRICED] - flow.times_ms[RECEIVED])

    def _remember_some(self, event: Sighting, flow: Flow) -> None:
        """Keep the records of the first orders, one of which will be shown."""
        workflow_id = event.workflow_id or ""
        if workflow_id in self._shown or (flow.order_id is not None and len(self._shown) < 2 * SHOWN_ORDER):
            self._shown.setdefault(workflow_id, []).append(event)

    def shown(self, *, last: bool = False) -> Workflow | None:
        """The workflow of one order, once it is complete: the tenth or a later one; with `last`, the last there is."""
        complete = {
            order_id: events
            for workflow_id, events in self._shown.items()
            if (order_id := self._flows[workflow_id].order_id)
            and {RECEIVED, SHIPPED, PRICED} <= {event.type for event in events}
            and (last or int(order_id.removeprefix(self._prefix)) >= SHOWN_ORDER)
        }
        if not complete:
            return None
        return workflows(complete[max(complete) if last else min(complete)])[0]

    @property
    def unfinished(self) -> int:
        """Orders of this run that have yet to be shipped or priced."""
        return self.orders - min(self.shipped, self.priced)

    def result(self, accepted: Collection[str]) -> Result:
        """The account of the orders that were accepted, by their ids."""
        totals: dict[str, dict[str, int]] = {order_id: {} for order_id in accepted}
        for flow in self._flows.values():
            if flow.order_id in totals:
                total = totals[flow.order_id]
                for name, count in flow.counts.items():
                    total[name] = total.get(name, 0) + count
        return Result(
            orders=len(totals),
            shipped=sum(SHIPPED in total for total in totals.values()),
            priced=sum(PRICED in total for total in totals.values()),
            lost=sum(not {RECEIVED, SHIPPED, PRICED} <= total.keys() for total in totals.values()),
            duplicated=sum(any(count > 1 for count in total.values()) for total in totals.values()),
        )


def percentile(values: Collection[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
