"""What Prometheus is told of services: every metric, in its format, as the documentation has it."""

from __future__ import annotations

import re
from pathlib import Path

from tidings.monitoring.exposition import Kind
from tidings.service.operations.metrics import METRICS, PROCESS_METRICS, Sight, page
from tidings.service.operations.state import ConsumerState, ServiceState, TableState
from tidings.service.operations.tally import HANDLING_S, Tally

DOCS = Path(__file__).parents[3] / "docs/operations.md"


def sight() -> Sight:
    tally = Tally()
    tally.ended("dispatch", "handled", 0.0004)
    tally.ended("dispatch", "handled", HANDLING_S[-1] + 1)
    tally.ended("dispatch", "retried", 0.3)
    tally.buried("undecodable")
    tally.committed(3, 0.004)
    state = ServiceState(
        "shipping",
        running=True,
        begun=True,
        consumers=(ConsumerState(joined=True, done={("orders", 0): 7, ("orders", 1): -1, ("gone", 0): 4}),),
        tables=(TableState("Customer", "customers", caught_up=True, next={0: 10}),),
        in_hand=5,
        parked=2,
        at_work=1,
    )
    ends = {("orders", 0): 9, ("orders", 1): 3, ("customers", 0): 10}
    return Sight(state, tally, live=True, ready=False, ends=ends, rows={"Customer": 4})


def samples(text: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_events_are_told_apart_by_handler_and_outcome() -> None:
    found = samples(page([sight()]))
    of = 'service="shipping",handler="dispatch"'
    assert found[f'tidings_service_events_total{{{of},outcome="handled"}}'] == 2
    assert found[f'tidings_service_events_total{{{of},outcome="retried"}}'] == 1
    assert found[f'tidings_service_handling_seconds_bucket{{{of},le="0.0005"}}'] == 1
    assert found[f'tidings_service_handling_seconds_bucket{{{of},le="60.0"}}'] == 2
    assert found[f"tidings_service_handling_seconds_count{{{of}}}"] == 3
    assert found['tidings_service_dead_letters_total{service="shipping",reason="undecodable"}'] == 1
    assert found['tidings_service_commit_seconds_count{service="shipping"}'] == 1
    assert found['tidings_service_records_committed_total{service="shipping"}'] == 3


def test_lag_is_told_where_both_of_its_ends_are_known() -> None:
    found = samples(page([sight()]))
    lags = {name: value for name, value in found.items() if name.startswith("tidings_service_lag")}
    assert lags == {'tidings_service_lag{service="shipping",stream="orders",partition="0"}': 2}
    assert found['tidings_service_partitions{service="shipping"}'] == 3
    assert found['tidings_service_table_lag{service="shipping",table="Customer",partition="0"}'] == 0
    assert found['tidings_service_table_rows{service="shipping",table="Customer"}'] == 4


def test_several_services_are_on_one_page_and_their_process_once() -> None:
    first = sight()
    second = first._replace(state=ServiceState("pricing", running=False), live=True, ready=True)
    text = page([first, second])
    found = samples(text)
    assert found['tidings_service_ready{service="shipping"}'] == 0
    assert found['tidings_service_ready{service="pricing"}'] == 1
    assert found["process_resident_memory_bytes"] > 1 << 20
    assert text.count("# TYPE tidings_service_ready ") == 1


def test_the_documentation_has_every_metric_as_it_is() -> None:
    services = DOCS.read_text().partition("\n# Services")[2]
    rows = [row for row in services.splitlines() if row.startswith("| `tidings_service_")]
    assert rows == [
        f"| `{metric.name}` | {metric.kind} | {', '.join(metric.labels)} | {metric.help} |" for metric in METRICS
    ]


def test_names_follow_prometheus_conventions() -> None:
    for metric in (*METRICS, *PROCESS_METRICS):
        assert re.fullmatch(r"(tidings_service|process)_[a-z_]+", metric.name)
        assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
        assert metric.help.endswith(".")
