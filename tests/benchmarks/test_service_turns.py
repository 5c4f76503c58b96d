"""A turn of the services' benchmark on a real broker: what is measured was done, and what was not done is no figure."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.quantities import Quantity
from benchmarks.results import TIDINGS
from benchmarks.service import table, turn
from benchmarks.service.cases import CASES, Case
from benchmarks.service.competitors import COMPETITORS, LIBRDKAFKA
from benchmarks.service.peers.task import Task
from benchmarks.service.scene import Scene
from benchmarks.service.sizes import Sizes
from benchmarks.service.stream import Streams

from tidings.errors import UnavailableError
from tidings.testing.broker import BrokerProcess

CASE = {case.name: case for case in CASES}
EVENTS = 2_000
SIZES = Sizes(events=EVENTS, answered_events=EVENTS, awaited_events=3_000, table_rows=500, lookups=500)


class Seen:
    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def add(self, quantity: Quantity, name: str, value: float) -> None:
        self.values[quantity.name] = value


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def scene(broker: BrokerProcess, tmp_path: Path, seen: Seen) -> Scene:
    return Scene(broker.bootstrap, Streams(broker.bootstrap), tmp_path, SIZES, seen.add, lambda text: None)


def run(scene: Scene, case: Case, name: str) -> turn.Outcome:
    events = case.events(SIZES)
    topic = scene.orders(events, bare=case.bare)
    output = scene.streams.create(scene.name("shipments")) if case.answers else ""
    task = Task(case.name, scene.bootstrap, scene.name("group"), topic, output, events, 60.0)
    return turn.run(COMPETITORS[name], case, task, scene.streams, scene.room)


@pytest.mark.parametrize("name", ["typed", "exactly-once"])
def test_what_is_measured_was_done_and_checked(scene: Scene, name: str) -> None:
    outcome = run(scene, CASE[name], TIDINGS)
    assert outcome.whole
    assert outcome.rate > 0


def test_what_was_not_answered_is_no_figure(scene: Scene) -> None:
    topic = scene.orders(EVENTS, bare=False)
    output = scene.streams.create(scene.name("shipments"))
    answering = CASE["exactly-once"]
    task = Silent("typed", scene.bootstrap, scene.name("group"), topic, output, EVENTS, 60.0)
    with pytest.raises(UnavailableError, match=f"0 of {EVENTS} orders were answered"):
        turn.run(COMPETITORS[LIBRDKAFKA], answering, task, scene.streams, scene.room)


class Silent(Task):
    """Its program is not told that it should answer."""

    def told(self) -> str:
        return Task(self.case, self.bootstrap, self.group, self.topic, "", self.events, self.limit_s).told()


def test_who_is_too_slow_is_measured_by_what_it_has_done(scene: Scene) -> None:
    topic = scene.orders(3_000, bare=False)
    case = CASE["awaiting"]
    task = Task("awaiting", scene.bootstrap, scene.name("group"), topic, "", 3_000, 0.001)
    outcome = turn.run(COMPETITORS[TIDINGS], case, task, scene.streams, scene.room)
    assert not outcome.whole
    assert outcome.rate > 0


def test_a_table_is_made_opened_again_and_asked(scene: Scene, seen: Seen) -> None:
    table.measure(scene)
    assert all(value > 0 for value in seen.values.values())
    assert len(seen.values) == 5
