"""The demo's processes come back when they die, and go when it goes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tidings.cli.processes import Process, stop
from tidings.errors import UnavailableError

STAY = "import sys, time; print('ready', flush=True); time.sleep(600)"
STAY_WHATEVER_COMES = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + STAY


def python(tmp_path: Path, code: str) -> Process:
    return Process("test", [sys.executable, "-c", code], {}, tmp_path / "test.log")


def test_a_process_that_dies_is_started_again_after_its_time(tmp_path: Path) -> None:
    process = python(tmp_path, STAY)
    now = 100.0
    process.start()
    try:
        assert process.keep_up(5, clock=lambda: now) == 0
        first = process.pid
        process.kill()
        assert process.pid is None
        assert process.keep_up(5, clock=lambda: now) == 5
        now = 103
        assert process.keep_up(5, clock=lambda: now) == 2
        assert process.pid is None
        now = 105
        assert process.keep_up(5, clock=lambda: now) == 0
        assert process.pid not in (None, first)
    finally:
        stop([process])
    assert process.pid is None


def test_one_that_ends_before_it_is_ready_tells_its_last_words(tmp_path: Path) -> None:
    process = python(tmp_path, "print('my last words')")
    process.start()
    with pytest.raises(UnavailableError, match="my last words"):
        process.wait_for("never", 30)


def test_one_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidings.cli.processes.STOP_S_MAX", 0.2)
    process = python(tmp_path, STAY_WHATEVER_COMES)
    process.start()
    process.wait_for("ready", 30)
    stop([process])
    assert process.exit_code == -9


def test_one_that_was_never_started_needs_no_stopping(tmp_path: Path) -> None:
    stop([python(tmp_path, STAY)])
