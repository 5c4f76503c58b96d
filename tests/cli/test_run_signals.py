"""`tidings run` as a process: its pages, its log, and signals that lose and double nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import msgspec
import pytest
from tests.service.operations.pages import get, until

from tidings import Service, event
from tidings.testing.broker import BrokerProcess
from tidings.testing.process import ChildProcess

MODULE = """
import asyncio, logging, time
import msgspec
from tidings import Service, event

@event("sig-asked", key="name")
class Asked(msgspec.Struct, frozen=True):
    name: str
    n: int

@event("sig-answered", key="name")
class Answered(msgspec.Struct, frozen=True):
    name: str
    n: int

answering = Service("sig-answering")
counting = Service("sig-counting")
counted = 0

@answering.on
async def answer(asked: Asked) -> Answered:
    await asyncio.sleep(0.002)
    return Answered(asked.name, asked.n)

@counting.on
async def count(answered: Answered) -> None:
    logging.getLogger("shop").info("counted %d", answered.n)
"""
STUCK = """
import asyncio
import msgspec
from tidings import Service, event

@event("sig-asked", key="name")
class Asked(msgspec.Struct, frozen=True):
    name: str
    n: int

stuck = Service("sig-stuck")

@stuck.on
async def hang(asked: Asked) -> None:
    print("hanging", flush=True)
    await asyncio.sleep(3600)
"""
ASKED = 1_000


@event("sig-asked", key="name")
class Asked(msgspec.Struct, frozen=True):
    name: str
    n: int


@pytest.fixture
def folder(tmp_path: Path, broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the modules are, and the current folder."""
    (tmp_path / "sig_services.py").write_text(MODULE)
    (tmp_path / "sig_stuck.py").write_text(STUCK)
    monkeypatch.setenv("TIDINGS_URL", broker.url)
    monkeypatch.setenv("TIDINGS_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> ChildProcess:
    return ChildProcess([sys.executable, "-m", "tidings", "run", *arguments], dict(os.environ))


def url_of(process: ChildProcess) -> str:
    return process.wait_for_line(r"metrics at (http://[^ \"]+)", 60, stream="stderr")[1]


async def ask_all(broker: BrokerProcess, begin: int = 0, end: int = ASKED) -> None:
    async with Service("sig-asking", url=broker.url) as asking:
        await asyncio.gather(*(asking.emit(Asked(f"k-{n % 50}", n)) for n in range(begin, end)))


def answered(folder: Path) -> list[int]:
    """The numbers of all answers in the log, in any order."""
    reading = ChildProcess(
        [sys.executable, "-m", "tidings", "tail", "sig-answered", "--from", "beginning", "--no-follow", "--json"],
        dict(os.environ),
    )
    assert reading.wait(60) == 0
    return sorted(json.loads(line)["data"]["n"] for line in reading.lines("stdout"))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_during_work_loses_and_doubles_nothing(broker: BrokerProcess, folder: Path, processes: int) -> None:
    working = run("sig_services:answering", "--processes", str(processes), "--workers", "4", "--port", "0")
    try:
        page = f"{url_of(working)}/metrics"
        asyncio.run(ask_all(broker))
        done = 'tidings_service_events_total{service="sig-answering",handler="answer",outcome="handled"}'
        asyncio.run(until(page, lambda answer: answer.samples.get(done, 0) > ASKED / 20))
        assert working.terminate(60) == 0
    finally:
        working.kill()
    assert len(answered(folder)) > 0
    rest = run("sig_services:answering", "--once")
    assert rest.wait(90) == 0
    assert answered(folder) == list(range(ASKED))


def test_several_services_in_one_process_have_one_page_and_log_json(broker: BrokerProcess, folder: Path) -> None:
    working = run("sig_services", "--port", "127.0.0.1:0", "--log", "json")
    try:
        url = url_of(working)
        asyncio.run(until(f"{url}/ready", lambda answer: answer.status == 200))
        asyncio.run(ask_all(broker, 0, 3))
        done = 'tidings_service_events_total{service="sig-counting",handler="count",outcome="handled"}'
        asyncio.run(until(f"{url}/metrics", lambda answer: answer.samples.get(done) == 3))
        assert get(f"{url}/live").status == 200
        assert working.terminate(60) == 0
    finally:
        working.kill()
    said = [json.loads(line) for line in working.lines("stderr") if line.startswith("{")]
    counted = [line for line in said if line["logger"] == "shop"]
    assert sorted(line["message"] for line in counted) == ["counted 0", "counted 1", "counted 2"]
    assert {line["fields"]["handler"] for line in counted} == {"count"}
    assert {line["fields"]["stream"] for line in counted} == {"sig-answered"}
    assert all(line["fields"]["event_id"] for line in counted)


def test_a_second_signal_ends_it_at_once(broker: BrokerProcess, folder: Path) -> None:
    stuck = run("sig_stuck")
    try:
        asyncio.run(ask_all(broker, 0, 1))
        stuck.wait_for_line("hanging", 60)
        os.kill(stuck.pid, signal.SIGTERM)
        stuck.wait_for_line("stopping", 30, stream="stderr")
        assert stuck.terminate(10) == 128 + signal.SIGTERM
    finally:
        stuck.kill()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sig_services", "--port", "http"), "'http' is no port"),
        (("sig_services", "--log", "xml"), "log format 'xml' is not known"),
        (("sig_services", "--log-level", "loud"), "log level 'loud' is not known"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    refused = run(*arguments)
    assert refused.wait(60) == 2
    assert said in "\n".join(refused.lines("stderr"))
