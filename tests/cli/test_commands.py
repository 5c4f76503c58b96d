"""What the commands say of a broker's streams, to people and to machines."""

from __future__ import annotations

import asyncio
import io
import sys
import uuid

import msgspec
import pytest
from tests.cli.conftest import Tidings

from tidings import Service, event
from tidings.cli.app import COMMANDS
from tidings.testing.ports import free_port


@pytest.fixture
def stream() -> str:
    return f"stream-{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(offline: Tidings, command: str) -> None:
    help_text = offline(command, "--help")
    assert help_text.code == 0
    examples = help_text.out.partition("Examples:")[2]
    assert f"tidings {command}" in examples
    assert "TODO" not in help_text.out


def test_help_lists_every_command(offline: Tidings) -> None:
    out = offline("--help").out
    assert all(f" {command} " in out for command in COMMANDS)


def test_the_version_is_told(offline: Tidings) -> None:
    assert offline("--version").out.startswith("tidings 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        ("streams",),
        ("tail", "orders"),
        ("emit", "orders", "{}", "--type", "X"),
        ("groups",),
        ("trace", "x"),
        ("topology",),
        ("run", "shop.pricing", "--once"),
    ],
)
def test_a_broker_that_is_away_is_one_line_and_a_way_out(offline: Tidings, arguments: tuple[str, ...]) -> None:
    outcome = offline(*arguments, "--url", f"kafka://127.0.0.1:{free_port()}")
    assert outcome.code == 2
    first, way_out = [line for line in outcome.err.splitlines() if not line.startswith("running")]
    assert first.startswith("tidings: no broker answers at kafka://127.0.0.1:")
    assert "tidings up" in way_out


def test_a_url_that_is_none_is_refused(offline: Tidings) -> None:
    outcome = offline("streams", "--url", "http://localhost")
    assert outcome.code == 2
    assert "kafka://127.0.0.1:9092" in outcome.err


def test_what_is_emitted_is_shown_by_tail(tidings: Tidings, stream: str) -> None:
    emitted = tidings("emit", stream, '{"order_id": "o-1", "total": 3}', "--type", "Ordered", "--key", "o-1", "--json")
    assert emitted.code == 0
    assert emitted.json["stream"] == stream

    (event,) = tidings("tail", stream, "--no-follow", "--json").json_lines
    assert event["id"] == emitted.json["id"]
    assert (event["type"], event["key"], event["offset"]) == ("Ordered", "o-1", 0)
    assert event["data"] == {"order_id": "o-1", "total": 3}
    assert event["correlation_id"] == event["id"]

    shown = tidings("tail", stream, "--no-follow").out
    assert "Ordered  o-1" in shown
    assert '{"order_id": "o-1", "total": 3}' in shown


def test_lines_of_input_are_events_of_their_own(tidings: Tidings, stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"n": 1}\n\n{"n": 2}\n')))
    assert len(tidings("emit", stream, "-", "--lines", "--type", "N", "--key", "k", "--json").json_lines) == 2
    events = tidings("tail", stream, "--no-follow", "--json").json_lines
    assert [event["data"]["n"] for event in events] == [1, 2]


def test_a_payload_that_is_no_json_is_refused_and_nothing_is_written(tidings: Tidings, stream: str) -> None:
    outcome = tidings("emit", stream, "{oops", "--type", "X")
    assert (outcome.code, outcome.out) == (2, "")
    assert "'{oops' is no JSON" in outcome.err
    assert tidings("streams", stream).code == 2


def test_tail_takes_the_last_the_first_and_those_of_a_key(tidings: Tidings, stream: str) -> None:
    for n in range(6):
        tidings("emit", stream, f"{n}", "--type", "N", "--key", f"k{n % 2}")

    def numbers(*options: str) -> list[int]:
        return [event["data"] for event in tidings("tail", stream, "--no-follow", "--json", *options).json_lines]

    assert numbers() == [0, 1, 2, 3, 4, 5]
    assert numbers("-n", "2") == [4, 5]
    assert numbers("-n", "0") == []
    assert numbers("--from", "beginning", "-n", "2") == [0, 1]
    assert numbers("--from", "4") == [4, 5]
    assert numbers("--from", "end") == []
    assert numbers("--from", "1h") == [0, 1, 2, 3, 4, 5]
    assert numbers("--key", "k1") == [1, 3, 5]
    assert numbers("--key", "k1", "-n", "1") == [5]
    # Following, -n says how many to wait for.
    followed = tidings("tail", stream, "--from", "beginning", "-n", "3", "--json").json_lines
    assert [event["data"] for event in followed] == [0, 1, 2]


def test_a_stream_that_is_not_there_is_refused_with_one_that_is_near(tidings: Tidings, stream: str) -> None:
    tidings("emit", stream, "1", "--type", "N")
    outcome = tidings("tail", stream[:-1])
    assert outcome.code == 2
    assert f"Did you mean {stream!r}?" in outcome.err


def test_streams_are_listed_with_what_they_hold(tidings: Tidings, stream: str) -> None:
    for n in range(3):
        tidings("emit", stream, f"{n}", "--type", "N", "--key", "k")
    (listed,) = [found for found in tidings("streams", "--json").json if found["stream"] == stream]
    assert (listed["records"], len(listed["partitions"])) == (3, 1)
    assert listed["size_bytes"] > 3 * 100
    assert listed["first"] <= listed["last"]
    assert stream in tidings("streams").out
    assert "3 records" in tidings("streams", stream).out
    assert tidings("streams", stream, "--json").json == listed
    assert not any(found["stream"].startswith("__") for found in tidings("streams", "--json").json)


def test_the_trace_of_one_event_is_that_event(tidings: Tidings, stream: str) -> None:
    emitted = tidings("emit", stream, "{}", "--type", "Ordered", "--key", f"key of {stream}", "--json").json
    for query in (emitted["id"], f"key of {stream}"):
        found = tidings("trace", query, "--json").json
        (workflow,) = found["workflows"]
        (root,) = workflow["roots"]
        assert (root["type"], root["id"], root["effects"]) == ("Ordered", emitted["id"], [])
    assert f"Ordered  key of {stream}" in tidings("trace", emitted["id"]).out


def test_the_trace_of_nothing_says_so_and_how_to_look_further(tidings: Tidings) -> None:
    outcome = tidings("trace", "nobody-knows")
    assert outcome.code == 2
    assert "no event has 'nobody-knows'" in outcome.err
    assert "--since" in outcome.err


def test_a_group_that_is_not_there_is_refused(tidings: Tidings) -> None:
    assert tidings("groups", "nobody").code == 2


def test_control_characters_do_not_reach_the_terminal(tidings: Tidings, stream: str) -> None:
    tidings("emit", stream, '"x"', "--type", "Evil\x1b[2J", "--key", "k\x07")
    shown = tidings("tail", stream, "--no-follow").out
    assert "\x1b[2J" not in shown
    assert "Evil\\x1b[2J" in shown


def test_topology_compares_what_services_declare_with_what_the_log_shows(tidings: Tidings) -> None:
    declared = tidings("topology", "shop.shipping", "shop.pricing", "--declared", "--json").json
    assert declared["services"] == ["pricing", "shipping"]
    assert not any(link["seen"] for link in declared["links"])

    @event("cli-refunds")
    class Refunded(msgspec.Struct, frozen=True):
        order_id: str

    async def misbehave() -> None:
        async with Service("shipping") as shipping:
            await shipping.emit(Refunded("o-1"))

    asyncio.run(misbehave())
    checked = tidings("topology", "shop.shipping", "--check", "--since", "1h", "--json")
    assert checked.code == 1
    refund = {"service": "shipping", "kind": "emits", "stream": "cli-refunds", "type": "Refunded"}
    assert checked.json["drift"]["undeclared"] == [refund]
    assert "flowchart LR" in tidings("topology", "--mermaid").out
    refused = tidings("topology", "--declared")
    assert (refused.code, "Name their modules" in refused.err) == (2, True)
