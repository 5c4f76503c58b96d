"""The command line, called in this process, on one broker for all tests of a worker."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tidings.cli import main
from tidings.testing.broker import BrokerProcess


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out, self.err
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Tidings = Callable[..., Outcome]


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path_factory.mktemp("cli") / "data") as process:
        yield process


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tidings:
    """`tidings` with these arguments; no broker is named."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TIDINGS_URL", "")  # so that what `tidings run` sets is undone as well
    monkeypatch.delenv("TIDINGS_URL")

    def call(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["tidings", *arguments])
        capsys.readouterr()
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        else:
            code = 0
        written = capsys.readouterr()
        return Outcome(code, written.out, written.err)

    return call


@pytest.fixture
def tidings(offline: Tidings, shared_broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch) -> Tidings:
    """`tidings` with these arguments, on a broker."""
    monkeypatch.setenv("TIDINGS_URL", shared_broker.url)
    return offline
