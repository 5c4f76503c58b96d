"""`tidings dead`: what people and machines are told of dead letters, and what they can decide."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.cli.conftest import Tidings

from tidings import Retry, Service, event
from tidings.cli.dead_choice import Choice, plan_redrive
from tidings.cli.dead_decide import parse_rate
from tidings.cli.dead_office import Case
from tidings.errors import OperatorError
from tidings.service.dead_letters import TABLE
from tidings.service.parking.letters import Letter, LetterId
from tidings.testing.broker import BrokerProcess


class Shipping:
    """A service in a thread of its own, which cannot ship some orders."""

    def __init__(self, url: str) -> None:
        unique = uuid.uuid4().hex[:8]
        self.name, self.stream = f"shipping-{unique}", f"orders-{unique}"
        self.url = url
        self.poison: set[str] = set()
        self.handled: list[tuple[str, int]] = []

        @event(self.stream, key="id")
        class Order(msgspec.Struct, frozen=True):
            id: str
            n: int

        self.order: Any = Order
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(started)))
        self._thread.start()
        assert started.wait(30)

    async def _run(self, started: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        Order: Any = self.order
        service = Service(self.name, url=self.url, retry=Retry(1))

        @service.on
        async def dispatch(order: Order) -> None:
            if order.id in self.poison:
                raise TimeoutError(f"no courier for {order.id}")
            self.handled.append((order.id, order.n))

        async with service:
            started.set()
            await self._stop.wait()

    def stop(self) -> None:
        if self._thread is not None:
            assert self._stop is not None
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(30)
            self._thread = None


@pytest.fixture
def shipping(shared_broker: BrokerProcess) -> Iterator[Shipping]:
    made = Shipping(shared_broker.url)
    yield made
    made.stop()


def bury(shipping: Shipping, tidings: Tidings, *orders: tuple[str, int]) -> None:
    """Emit orders to a running service that cannot handle them, and wait until all are dead letters."""
    shipping.poison |= {order_id for order_id, _ in orders}
    for order_id, n in orders:
        payload = f'{{"id":"{order_id}","n":{n}}}'
        assert tidings("emit", shipping.stream, payload, "--type", "Order", "--key", order_id).code == 0
    wait_for(lambda: len(listed(shipping, tidings, "--behind")) == len(orders))


def wait_for(condition: Any) -> None:
    until_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def listed(shipping: Shipping, tidings: Tidings, *options: str) -> list[dict[str, Any]]:
    outcome = tidings("dead", "list", shipping.name, "--json", *options)
    return outcome.json if outcome.code == 0 else []


@pytest.fixture
def buried(shipping: Shipping, tidings: Tidings) -> Shipping:
    """Two keys are parked: a with two behind it, b alone."""
    shipping.start()
    bury(shipping, tidings, ("a", 0), ("a", 1), ("b", 0), ("a", 2))
    return shipping


def test_letters_are_listed_with_their_reason_and_how_many_wait(buried: Shipping, tidings: Tidings) -> None:
    letters = {one["key"]: one for one in listed(buried, tidings)}
    assert set(letters) == {"a", "b"}
    a = letters["a"]
    assert (a["reason"], a["error"], a["state"], a["behind"], a["attempts"]) == (
        "failed",
        "TimeoutError",
        "given up",
        2,
        1,
    )
    assert (a["type"], a["stream"], a["message"]) == ("Order", buried.stream, "no courier for a")
    assert letters["b"]["behind"] == 0
    shown = tidings("dead", "list", buried.name).out
    assert "TimeoutError" in shown
    assert "2 letters, and 2 that wait behind them" in shown
    waiting = [one for one in listed(buried, tidings, "--behind") if one["state"] == "waiting"]
    assert [one["waits_for"] for one in waiting] == [a["letter"]] * 2
    assert buried.name in {one["service"] for one in tidings("dead", "list", "--json").json}


def test_filters_choose_among_letters(buried: Shipping, tidings: Tidings) -> None:
    def keys(*options: str) -> list[str]:
        return sorted(one["key"] for one in listed(buried, tidings, *options))

    assert keys("--key", "a") == ["a"]
    assert keys("--error", "timeouterror") == ["a", "b"]
    assert keys("--error", "courier for b") == ["b"]
    assert keys("--error", "ValueError") == []
    assert keys("--reason", "undecodable") == []
    assert keys("--reason", "behind") == ["a", "a"]
    assert keys("--stream", buried.stream, "--since", "1h") == ["a", "b"]
    assert keys("--since", "0s") == []
    assert keys("--handler", "nobody") == []
    assert tidings("dead", "list", buried.name, "--reason", "bad luck").code == 2


def test_one_letter_is_shown_whole(buried: Shipping, tidings: Tidings) -> None:
    (a,) = listed(buried, tidings, "--key", "a")
    letter = tidings("dead", "show", buried.name, str(a["letter"]), "--json").json
    assert letter["data"] == {"id": "a", "n": 0}
    assert letter["headers"]["ce_type"] == "Order"
    assert not any(name.startswith("dead_") for name in letter["headers"])
    assert "no courier for a" in letter["traceback"]
    shown = tidings("dead", "show", buried.name, str(a["letter"])).out
    assert '"n": 0' in shown
    assert "TimeoutError: no courier for a" in shown
    assert tidings("dead", "show", buried.name, "999").err.startswith(f"tidings: {buried.name} has no outstanding")


def test_redriven_letters_are_handled_in_order_and_it_is_told(buried: Shipping, tidings: Tidings) -> None:
    buried.poison.clear()
    outcome = tidings("dead", "redrive", buried.name, "--key", "a", "--json")
    assert outcome.code == 0
    assert outcome.json == {"service": buried.name, "asked": 1, "handled": 3, "failed_again": 0, "waiting": 0}
    assert buried.handled == [("a", 0), ("a", 1), ("a", 2)]
    said = tidings("dead", "redrive", buried.name, "--all")
    assert "1 letter handled" in said.out
    assert buried.handled[3:] == [("b", 0)]
    assert "no dead letters" in tidings("dead", "list", buried.name).out


def test_what_fails_again_is_told_and_stays(buried: Shipping, tidings: Tidings) -> None:
    buried.poison.discard("b")
    outcome = tidings("dead", "redrive", buried.name, "--all", "--yes")
    assert outcome.code == 1
    assert "1 letter handled, 1 failed again, 2 wait" in outcome.out
    (a,) = listed(buried, tidings)
    assert (a["key"], a["attempts"], a["behind"]) == ("a", 2, 2)


def test_dry_run_changes_nothing(buried: Shipping, tidings: Tidings) -> None:
    before = listed(buried, tidings, "--behind")
    buried.poison.clear()
    shown = tidings("dead", "redrive", buried.name, "--all", "--dry-run")
    assert "2 letters" in shown.out
    assert "2 waiting behind them follow" in shown.out
    assert len(tidings("dead", "drop", buried.name, "--all", "--dry-run", "--json").json) == 2
    assert listed(buried, tidings, "--behind") == before
    assert buried.handled == []


def test_dropped_letters_let_their_key_go_on(buried: Shipping, tidings: Tidings) -> None:
    (a,) = listed(buried, tidings, "--key", "a")
    buried.poison.clear()
    assert "1 letter of" in tidings("dead", "drop", buried.name, str(a["letter"]), "--yes").out
    wait_for(lambda: buried.handled == [("a", 1), ("a", 2)])
    wait_for(lambda: [one["key"] for one in listed(buried, tidings, "--behind")] == ["b"])


def test_edited_letter_is_handled_with_its_new_value(
    buried: Shipping, tidings: Tidings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (a,), (b,) = listed(buried, tidings, "--key", "a"), listed(buried, tidings, "--key", "b")
    buried.poison.clear()
    assert tidings("dead", "edit", buried.name, str(a["letter"]), "--value", '{"id": "a", "n": 70}').code == 0
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import sys, pathlib\np = pathlib.Path(sys.argv[1])\np.write_text(p.read_text().replace('0', '80'))"
    )
    monkeypatch.setenv("VISUAL", f"{sys.executable} {editor}")
    assert tidings("dead", "edit", buried.name, str(b["letter"])).code == 0
    shown = tidings("dead", "show", buried.name, str(b["letter"]), "--json").json
    assert (shown["data"]["n"], shown["edited_data"]["n"]) == (0, 80)
    assert tidings("dead", "redrive", buried.name, "--all", "--yes").code == 0
    assert sorted(buried.handled) == [("a", 1), ("a", 2), ("a", 70), ("b", 80)]


def test_value_that_cannot_be_handled_is_refused(
    buried: Shipping, tidings: Tidings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (a,) = listed(buried, tidings, "--key", "a")
    edit = ("dead", "edit", buried.name, str(a["letter"]))
    assert "no JSON" in tidings(*edit, "--value", "{oops").err
    assert "two values" in tidings(*edit, "--value", "{}", "--file", "-").err
    monkeypatch.chdir(tmp_path)
    module = f"module_{uuid.uuid4().hex[:8]}"
    (tmp_path / f"{module}.py").write_text(
        "import msgspec\nfrom tidings import Service, event\n\n\n"
        f"@event({buried.stream!r}, key='id', type='Order')\n"
        "class Order_(msgspec.Struct):\n    id: str\n    n: int\n\n\n"
        f"shipping = Service({buried.name!r})\n"
    )
    monkeypatch.setattr("tidings.events.declaration._by_stream", {})
    assert "not an Order_" in tidings(*edit, "--value", '{"id": 3}', "--module", module).err
    assert tidings(*edit, "--value", '{"id": "a", "n": 3}', "--module", module).code == 0


def test_letters_of_a_service_that_does_not_run_wait_for_it(buried: Shipping, tidings: Tidings) -> None:
    buried.stop()
    buried.poison.clear()
    outcome = tidings("dead", "redrive", buried.name, "--all", "--yes")
    assert outcome.code == 0
    assert "does not run" in outcome.out
    assert {one["state"] for one in listed(buried, tidings)} == {"asked"}
    buried.start()
    wait_for(lambda: len(buried.handled) == 4)


def test_mistakes_are_told_with_a_way_out(buried: Shipping, tidings: Tidings) -> None:
    assert "which letters?" in tidings("dead", "redrive", buried.name).err
    assert "has no outstanding dead letter 999" in tidings("dead", "drop", buried.name, "999").err
    assert "Add --yes" in tidings("dead", "drop", buried.name, "--all").err
    assert "no rate" in tidings("dead", "redrive", buried.name, "--all", "--rate", "fast").err
    missing = tidings("dead", "list", f"{buried.name}x")
    assert missing.code == 2
    assert "There are those of" in missing.err


@pytest.mark.parametrize("command", ["list", "show", "edit", "redrive", "drop"])
def test_every_sub_command_explains_itself_with_examples(offline: Tidings, command: str) -> None:
    help_text = offline("dead", command, "--help")
    assert help_text.code == 0
    assert f"tidings dead {command}" in help_text.out.partition("Examples:")[2]


# Pure.


@pytest.mark.parametrize(
    ("text", "per_s"), [("100/s", 100.0), ("30/m", 0.5), ("7", 7.0), ("3600 / h", 1.0), (None, None)]
)
def test_rates_are_read_as_people_write_them(text: str | None, per_s: float | None) -> None:
    assert parse_rate(text) == per_s


@pytest.mark.parametrize("text", ["0/s", "fast", "10/d", "-1"])
def test_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OperatorError):
        parse_rate(text)


def case(offset: int, reason: str, *, key: bytes = b"k", handler: str = "h") -> Case:
    handler = "" if reason == "behind" else handler
    letter = Letter(LetterId("orders", 0, offset, 9, handler), key, reason, handler != TABLE, offset, offset, 1)
    return Case("shipping", letter, "Order", "", "", "", 0)


def test_redriving_one_that_waits_begins_with_the_one_it_waits_for() -> None:
    first, second, third = case(0, "failed"), case(1, "behind"), case(2, "behind")
    plan = plan_redrive([first, second, third], [second])
    assert (plan.asked, plan.following) == ([first], 2)


def test_letters_of_tables_are_left_alone() -> None:
    table, other = case(0, "undecodable", handler=TABLE), case(1, "failed", key=b"other")
    plan = plan_redrive([table, other], [table, other])
    assert (plan.asked, plan.tables) == ([other], 1)


def test_choice_that_says_nothing_is_noticed() -> None:
    assert Choice().says_nothing
    assert not Choice(numbers=[1]).says_nothing
    assert not Choice(since_ms=0).says_nothing
