"""`tidings run` finds services, runs them, and reads what has come."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Tidings

SERVICE = """
from dataclasses import dataclass
from tidings import Service, event

@event("{stream}.asked", key="name")
@dataclass(frozen=True)
class Asked:
    name: str

@event("{stream}.answered", key="name")
@dataclass(frozen=True)
class Answered:
    name: str

answering = Service("{stream}")

@answering.on
def answer(asked: Asked) -> Answered:
    return Answered(asked.name)
"""

NEXT = """
from tidings import Service
from {stream} import Answered

noting = Service("{stream}-next")

@noting.on
async def note(answered: Answered) -> None: ...
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module in the current folder that declares a service; it and its streams have a name of their own."""
    name = f"answering_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(SERVICE.format(stream=name))
    (tmp_path / f"{name}_next.py").write_text(NEXT.format(stream=name))
    (tmp_path / f"{name}_broken.py").write_text("import a_module_that_is_missing")
    (tmp_path / f"{name}_empty.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    yield name
    for loaded in [loaded for loaded in sys.modules if loaded.startswith(name)]:
        del sys.modules[loaded]


def test_once_handles_what_has_come_and_stops(tidings: Tidings, module: str) -> None:
    for name in ("Ada", "Bo", "Cleo"):
        tidings("emit", f"{module}.asked", f'{{"name": "{name}"}}', "--type", "Asked", "--key", name)
    for _ in range(2):  # the second time there is nothing new
        assert tidings("run", module, "--once").code == 0
        answered = tidings("tail", f"{module}.answered", "--no-follow", "--json").json_lines
        assert sorted(event["data"]["name"] for event in answered) == ["Ada", "Bo", "Cleo"]

    tidings("emit", f"{module}.asked", '{"name": "Dina"}', "--type", "Asked", "--key", "Dina")
    assert tidings("run", f"{module}:answering", "--once").code == 0
    assert len(tidings("tail", f"{module}.answered", "--no-follow", "--json").json_lines) == 4

    group = tidings("groups", module, "--json").json
    assert (group["behind"], group["members"]) == (0, [])
    assert module in tidings("groups").out

    traced = tidings("trace", "Ada", "--json").json["workflows"][-1]
    (asked,) = traced["roots"]
    assert [effect["type"] for effect in asked["effects"]] == ["Answered"]


def test_once_comes_to_the_end_of_a_stream_where_a_transaction_has_the_last_offset(
    tidings: Tidings, module: str
) -> None:
    tidings("emit", f"{module}.asked", '{"name": "Ada"}', "--type", "Asked", "--key", "Ada")
    assert tidings("run", module, "--once").code == 0
    assert tidings("run", f"{module}_next:noting", "--once").code == 0
    assert tidings("groups", f"{module}-next", "--json").json["behind"] == 0


def test_once_on_streams_that_are_empty_stops_as_well(tidings: Tidings, module: str) -> None:
    assert tidings("run", module, "--once").code == 0


def test_what_is_no_service_is_refused(offline: Tidings, module: str) -> None:
    for target, said in (
        ("no_such_module", "there is no module 'no_such_module'"),
        (f"{module}.sub", f"there is no module '{module}.sub'"),
        (f"{module}_empty", "declares no service"),
        (f"{module}:nobody", "has no service 'nobody'"),
    ):
        outcome = offline("run", target)
        assert outcome.code == 2
        assert said in outcome.err


def test_a_module_that_misses_another_says_which(offline: Tidings, module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_missing"):
        offline("run", f"{module}_broken")
