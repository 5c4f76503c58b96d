"""Claims about the helpers that start servers under test."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tidings.errors import UnavailableError
from tidings.testing.broker import BrokerProcess
from tidings.testing.ports import free_port
from tidings.testing.process import ChildProcess


def child(program: str) -> ChildProcess:
    return ChildProcess([sys.executable, "-u", "-c", program])


def test_a_line_is_waited_for_and_found() -> None:
    process = child("print('one'); print('ready on port 17')")
    assert process.wait_for_line(r"port (\d+)", timeout_s=10).group(1) == "17"
    process.wait(10)
    assert process.lines("stdout") == ["one", "ready on port 17"]


def test_a_child_that_ends_early_is_told_with_its_code_and_its_last_words() -> None:
    process = child("import sys; print('no such luck', file=sys.stderr); sys.exit(3)")
    with pytest.raises(UnavailableError, match=r"(?s)ended with code 3.*no such luck"):
        process.wait_for_line("ready", timeout_s=10)


def test_waiting_for_a_line_has_a_deadline() -> None:
    process = child("import signal; print('hello'); signal.pause()")
    with pytest.raises(UnavailableError, match="said nothing like 'ready'"):
        process.wait_for_line("ready", timeout_s=0.05)
    process.kill()
    assert process.exit_code == -9


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port()))


def test_a_broker_that_does_not_start_says_why(tmp_path: Path) -> None:
    broker = BrokerProcess(tmp_path, wrapper=[sys.executable, "-c", "raise SystemExit('out of luck')"])
    with pytest.raises(UnavailableError, match="out of luck"):
        broker.start()
    assert not broker.running
