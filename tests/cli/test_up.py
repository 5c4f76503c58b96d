"""`tidings up` serves, says so, and stops cleanly; what does not fit is told in one line, with nothing written."""

from __future__ import annotations

import inspect
import os
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Tidings
from typer.main import get_command
from typer.testing import CliRunner

from tidings.cli import serving
from tidings.cli.app import app
from tidings.cli.serving import is_loopback, plain_arguments, serve
from tidings.testing.broker import BrokerProcess
from tidings.testing.ports import free_port
from tidings.testing.process import ChildProcess

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_a_signal_ends_it_with_code_0(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    up = [sys.executable, "-m", "tidings", "up", "--data", str(tmp_path / "d"), "--listen", f"127.0.0.1:{port}"]
    child = ChildProcess([*up, "--durability", "os"])
    try:
        child.wait_for_line("tidings is up", 30)
        assert child.lines("stdout") == [
            f"tidings is up at kafka://127.0.0.1:{port} (data in {tmp_path / 'd'}, durability os)"
        ]
        os.kill(child.pid, number)
        assert child.wait(30) == 0
    finally:
        child.kill()
    assert child.lines("stderr") == []


def test_a_port_in_use_is_refused_and_nothing_is_written(offline: Tidings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = offline("up", "--data", str(tmp_path / "data"), "--listen", f"127.0.0.1:{port}")
    assert outcome.code == 2
    assert outcome.err.startswith("tidings: ")
    assert str(port) in outcome.err
    assert len(outcome.err.splitlines()) == 2
    assert not (tmp_path / "data").exists()


def test_a_folder_of_another_broker_is_refused(offline: Tidings, broker: BrokerProcess) -> None:
    outcome = offline("up", "--data", str(broker.data), "--listen", f"127.0.0.1:{free_port()}")
    assert outcome.code == 2
    assert len(outcome.err.splitlines()) == 2
    assert broker.running


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:9092", "somewhere.example:9092"])
def test_plain_text_beyond_this_machine_needs_to_be_asked_for(offline: Tidings, tmp_path: Path, listen: str) -> None:
    outcome = offline("up", "--data", str(tmp_path / "data"), "--listen", listen)
    assert outcome.code == 2
    assert "--allow-plaintext" in outcome.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("setting", ["nonsense", "no.such.name=1", "num.partitions=many", "num.partitions=0"])
def test_a_setting_that_is_none_is_refused(offline: Tidings, tmp_path: Path, setting: str) -> None:
    outcome = offline("up", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0", "--set", setting)
    assert outcome.code == 2
    assert len(outcome.err.splitlines()) == 2
    assert not (tmp_path / "data").exists()


def test_every_option_is_documented_and_no_other() -> None:
    options = set(re.findall(r"`(--[a-z-]+)`", OPERATIONS.read_text().partition("## Kafka's own")[0]))
    command = get_command(app)
    up = command.get_command(command.make_context("tidings", [], resilient_parsing=True), "up")  # type: ignore[attr-defined]
    assert options == {name for option in up.params for name in (*option.opts, *option.secondary_opts)}


def test_loopback_is_known_by_address_and_by_its_one_name() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.example", ""))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--data", "d", "--listen", "127.0.0.1:1"],
        ["--data=d", "--durability=os", "--partitions=3"],
        ["--allow-plaintext", "--listen", "0.0.0.0:1", "--advertise", "me:1"],
        ["--no-auto-create"],
        ["--metrics", "127.0.0.1:0", "--log-format=json", "--log-level", "info"],
        ["--set", "num.partitions=2", "--set=log.retention.hours=1"],
        ["--partitions", "3", "--partitions", "4"],
    ],
)
def test_the_short_way_to_serve_reads_arguments_as_typer_does(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(serving, "serve", lambda **given: calls.append(given))
    given = plain_arguments(arguments)
    assert given is not None
    assert CliRunner().invoke(app, ["up", *arguments]).exit_code == 0
    (by_typer,) = calls
    assert {name: by_typer[name] for name in given} == given
    defaults = {name: option.default for name, option in inspect.signature(serve).parameters.items()}
    assert by_typer == {**defaults, **given}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--dat", "d"], ["--data"], ["--partitions", "x"], ["d"], ["--data", "--listen"], [""]]
)
def test_whatever_is_not_plain_is_left_to_typer(arguments: list[str]) -> None:
    assert plain_arguments(arguments) is None


def test_serving_loads_neither_typer_nor_rich_nor_librdkafka(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-X", "importtime", "-m", "tidings", "up", "--data", str(tmp_path / "d")]
    child = ChildProcess([*command, "--listen", f"127.0.0.1:{port}"])
    try:
        child.wait_for_line("tidings is up", 30)
        assert child.terminate(30) == 0
    finally:
        child.kill()
    loaded = {line.rpartition("|")[2].strip() for line in child.lines("stderr")}
    assert "tidings.broker.server" in loaded
    assert not loaded & {"typer", "rich", "confluent_kafka", "pydantic", "msgspec", "starlette"}
