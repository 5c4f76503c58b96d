"""Logs for machines: one object a line, with fields; for people as they always were."""

from __future__ import annotations

import json
import logging
import socket
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Tidings

from tidings.cli.json_lines import JsonLines
from tidings.testing.broker import BrokerProcess


def record(message: str, *args: object, failed: bool = False) -> logging.LogRecord:
    error = None
    if failed:
        try:
            raise ValueError("no\nway")
        except ValueError:
            error = sys.exc_info()
    return logging.getLogger("tidings.x").makeRecord("tidings.x", logging.WARNING, "f", 1, message, args, error)


def test_an_event_is_one_line_with_its_fields() -> None:
    said = json.loads(JsonLines().format(record("closed %(peer)s: %(error)s", {"peer": "a:1", "error": OSError("x")})))
    assert said.pop("time").endswith("+00:00")
    assert said == {
        "level": "warning",
        "logger": "tidings.x",
        "message": "closed a:1: x",
        "event": "closed %(peer)s: %(error)s",
        "fields": {"peer": "a:1", "error": "x"},
    }


def test_a_traceback_does_not_break_the_line() -> None:
    text = JsonLines().format(record("it\nfailed %s", "here", failed=True))
    assert "\n" not in text
    said = json.loads(text)
    assert said["message"] == "it\nfailed here"
    assert "ValueError: no\nway" in said["traceback"]
    assert "fields" not in said


@pytest.mark.parametrize("option", ["--log-format=xml", "--log-level=loud", "--metrics=9090", "--metrics=0.0.0.0:9090"])
def test_what_does_not_fit_is_told_in_one_line(offline: Tidings, tmp_path: Path, option: str) -> None:
    outcome = offline("up", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0", option)
    assert outcome.code == 2
    assert len(outcome.err.splitlines()) == 2
    assert not (tmp_path / "data").exists()


def test_a_broker_logs_json_and_tells_where_its_metrics_are(tmp_path: Path) -> None:
    arguments = ["--log-format", "json", "--log-level", "info", "--metrics", "127.0.0.1:0"]
    with BrokerProcess(tmp_path / "data", arguments=arguments) as broker:
        (line,) = broker.child.lines("stdout")
        assert ", metrics at http://127.0.0.1:" in line
        with socket.create_connection(("127.0.0.1", broker.port)) as client:
            client.sendall(b"\xff\xff\xff\xff")
            assert client.recv(1) == b""
        broker.stop()
        said = [json.loads(text) for text in broker.child.lines("stderr")]
    assert [one["level"] for one in said if one["logger"].startswith("tidings.broker")] == ["info", "warning", "info"]
    assert said[0]["fields"]["port"] == broker.port
    assert "a frame of -1 bytes" in said[1]["fields"]["error"]


def test_text_is_the_message_alone(tmp_path: Path) -> None:
    with BrokerProcess(tmp_path / "data") as broker:
        with socket.create_connection(("127.0.0.1", broker.port)) as client:
            client.sendall(b"\xff\xff\xff\xff")
            assert client.recv(1) == b""
        broker.stop()
        (line,) = broker.child.lines("stderr")
    assert line.startswith("closed 127.0.0.1:")
