"""What is shown: a workflow as a tree, an event in three lines, and the demo, all in 80 columns."""

from __future__ import annotations

import io
import re
from collections import Counter
from datetime import datetime

import pytest
from rich.console import Console, RenderableType

from tidings.cli.demo_view import Pace, ServiceState, live, next_steps, one_line
from tidings.cli.reader import Seen
from tidings.cli.record_view import as_json as record_as_json
from tidings.cli.record_view import lines, payload
from tidings.cli.screen import THEME, printable, size
from tidings.cli.tally import Tally
from tidings.cli.topology_view import as_json as topology_as_json
from tidings.cli.topology_view import lines as topology_lines
from tidings.cli.topology_view import mermaid
from tidings.cli.trace_notes import Known
from tidings.cli.trace_view import as_json, tree
from tidings.events.position import Position
from tidings.service.topology import Link, Topology
from tidings.service.trace import Sighting, workflows

START_MS = datetime(2026, 1, 31, 9, 30).timestamp() * 1000


def event(
    event_id: str, type_name: str, stream: str, *, cause: str | None = None, after_ms: float = 0, offset: int = 0
) -> Sighting:
    return Sighting(
        Position(stream, 0, offset),
        START_MS + after_ms,
        key="o-1",
        id=event_id,
        type=type_name,
        source=f"/{stream}-service",
        correlation_id="w-1",
        causation_id=cause,
        request_id="r-1",
        client_address="192.0.2.7",
    )


RECEIVED = event("1", "OrderReceived", "orders")
SHIPPED = event("2", "OrderShipped", "shipments", cause="1", after_ms=6.1)
CHARGED = event("3", "OrderCharged", "bills", cause="1", after_ms=9)
PRICED = event("4", "PriceChanged", "prices", cause="2", after_ms=14)


def drawn(renderable: RenderableType, columns: int = 80) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=columns, theme=THEME, highlight=False).print(renderable)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def test_a_workflow_is_a_tree_with_times_services_and_places() -> None:
    (workflow,) = workflows([RECEIVED, SHIPPED, CHARGED, PRICED])
    assert drawn(tree(workflow)) == [
        "o-1  4 events in 14 ms",
        "request r-1 from 192.0.2.7",
        "workflow w-1",
        "",
        "event                    at   after  by                 where",
        "OrderReceived         start          orders-service     orders/0/0",
        "├─ OrderShipped     +6.1 ms  6.1 ms  shipments-service  shipments/0/0",
        "│  └─ PriceChanged   +14 ms  7.9 ms  prices-service     prices/0/0",
        "└─ OrderCharged     +9.0 ms  9.0 ms  bills-service      bills/0/0",
    ]


def test_a_tree_tells_what_is_waited_for_what_came_twice_and_what_is_missing() -> None:
    again = event("2", "OrderShipped", "shipments", cause="1", after_ms=20, offset=5)
    (workflow,) = workflows([RECEIVED, SHIPPED, again, event("9", "Odd", "odd", cause="gone", after_ms=30)])
    shown = drawn(tree(workflow, known=Known(waiting={SHIPPED.position: ["pricing"]})))[5:]
    assert [line.split("  ")[0] if not line.startswith(" ") else line.strip() for line in shown] == [
        "OrderReceived",
        "└─ OrderShipped",
        "again at shipments/0/5",
        "waiting for pricing",
        "Odd",
        "its cause is out of sight",
    ]


def test_keys_are_shown_where_there_is_room() -> None:
    (workflow,) = workflows([RECEIVED, SHIPPED])
    assert "key" not in drawn(tree(workflow, columns=80))[4]
    assert "  key  " in drawn(tree(workflow, columns=120), 120)[4]


def test_a_workflow_as_json_nests_its_effects() -> None:
    (workflow,) = workflows([RECEIVED, SHIPPED, PRICED])
    document = as_json(workflow, known=Known(waiting={PRICED.position: ["billing"]}))
    (received,) = document["roots"]
    (shipped,) = received["effects"]
    (priced,) = shipped["effects"]
    assert (document["events"], document["duration_ms"]) == (3, 14)
    assert (shipped["type"], shipped["since_start_ms"], shipped["since_cause_ms"]) == ("OrderShipped", 6.1, 6.1)
    assert (priced["waiting_for"], priced["effects"]) == (["billing"], [])


def test_an_event_is_shown_in_three_lines() -> None:
    assert drawn(lines(Seen(RECEIVED, b'{"total":"1.50","n":[1,2]}'))) == [
        "09:30:00.000 OrderReceived  o-1  orders/0/0",
        '             {"total": "1.50", "n": [1, 2]}',
        "             by orders-service  workflow w-1",
    ]


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b'{"a":1}', '{"a": 1}'),
        (b"plain words", "plain words"),
        (b"\x00\xff", r"b'\x00\xff'"),
        (b'"\xff"', repr(b'"\xff"')),
        (b"bell\x07", r"bell\x07"),
        (b"", ""),
        (None, "(nothing: this key was deleted)"),
    ],
)
def test_whatever_a_payload_is_it_is_shown(data: bytes | None, shown: str) -> None:
    assert payload(data) == shown


def test_a_payload_that_is_no_json_is_base64_for_machines() -> None:
    assert record_as_json(Seen(RECEIVED, b"\xff"))["data_base64"] == "/w=="
    assert record_as_json(Seen(RECEIVED, None))["data"] is None


def test_control_characters_are_spelled_out() -> None:
    assert printable("a\x1b[2Jb\n") == "a\\x1b[2Jb\\n"
    assert printable("Grüße, 東京") == "Grüße, 東京"


def test_sizes_are_told_in_the_unit_that_reads_best() -> None:
    assert [size(n) for n in (0, 999, 1500, 150_000, 5 << 20, 3 << 30, 5 << 40)] == [
        "0 B",
        "999 B",
        "1.5 KiB",
        "146 KiB",
        "5.0 MiB",
        "3.0 GiB",
        "5.0 TiB",
    ]


def test_pace_is_that_of_the_last_seconds() -> None:
    pace = Pace()
    for second, orders in enumerate((0, 20, 40, 60, 60, 60)):
        pace.note(100.0 + second, orders)
    assert pace.per_second == 12
    assert pace.sparkline() == "███  "


def test_the_live_view_fits_80_columns_and_tells_who_is_down() -> None:
    services = [
        ServiceState("orders", "accepts orders over HTTP", 4242, 0),
        ServiceState("shipping", "ships what was ordered", None, 3.4, waiting=1_234_567),
    ]
    shown = drawn(live(Tally("r"), Pace(), services))
    assert max(map(len, shown)) <= 80
    assert any("shipping" in line and "down, back in 3 s" in line and "1,234,567" in line for line in shown)
    assert "shipping is down" in one_line(Tally("r"), Pace(), services)


def test_the_next_steps_fit_80_columns() -> None:
    shown = drawn(next_steps("tidings", "kafka://127.0.0.1:23456", "ab12-00010", 1_234_567))
    assert max(map(len, shown)) <= 80
    assert shown[1].startswith("  export TIDINGS_URL=kafka://127.0.0.1:23456")


# Topologies.

ORDERS = Link("orders", "emits", "orders", "OrderReceived")
SHIPPING = Link("shipping", "reads", "orders", "OrderReceived")
KEPT = Link("shipping", "keeps", "customers", "CustomerChanged")
REFUND = Link("shipping", "emits", "refunds", 'Refund"ed')


def topology() -> Topology:
    return Topology(declared={SHIPPING, KEPT}, seen=Counter({ORDERS: 1200, REFUND: 3}))


def test_topology_marks_what_is_not_as_declared() -> None:
    assert [line.split() for line in topology_lines(topology()).plain.splitlines()] == [
        ["orders"],
        ["emits", "OrderReceived", "→", "orders", "1,200", "seen"],
        ["shipping"],
        ["reads", "OrderReceived", "←", "orders", "not", "seen"],
        ["keeps", "CustomerChanged", "⇐", "customers"],
        ["emits", 'Refund"ed', "→", "refunds", "3", "seen", "not", "declared"],
    ]


def test_topology_is_a_flowchart_whatever_the_names_are() -> None:
    chart = mermaid(topology())
    assert chart.startswith("flowchart LR\n")
    assert 'service_shipping -->|"Refund#34;ed"| stream_refunds' in chart
    assert 'stream_customers -.->|"CustomerChanged"| service_shipping' in chart
    odd = mermaid(Topology(declared={Link("a.b", "emits", "a_b", "X"), Link("a_b", "reads", "a-b", "X")}))
    nodes = re.findall(r"^  (\w+)[(\[]", odd, re.MULTILINE)
    assert len(nodes) == len(set(nodes)) == 4


def test_topology_for_machines_has_the_drift() -> None:
    document = topology_as_json(topology())
    assert document["services"] == ["orders", "shipping"]
    assert [link["type"] for link in document["drift"]["undeclared"]] == ['Refund"ed']
    assert document["drift"]["unseen"] == [
        {"service": "shipping", "kind": "reads", "stream": "orders", "type": "OrderReceived"}
    ]
