"""The code in the docs runs: every page's python blocks, one after the other, as one program on a real broker."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidings.events import declaration
from tidings.testing.broker import BrokerProcess

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
PAGES = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")])
WITH_CODE = [page for page in PAGES if page.parent.name == "docs" and BLOCK.search(page.read_text())]


@pytest.fixture
def module(broker: BrokerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """What the page's code becomes. Hints are looked up in it, as in any module."""
    monkeypatch.setenv("TIDINGS_URL", broker.url)
    monkeypatch.setenv("TIDINGS_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(declaration, "_by_stream", {})  # a page is a program of its own, with events of its own
    made = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", made)
    return made


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_code_of_a_page_runs(page: Path, module: types.ModuleType, request: pytest.FixtureRequest) -> None:
    asyncio.run(_run(page, module, request.getfixturevalue))


async def _run(page: Path, module: types.ModuleType, fixture: Callable[[str], Any]) -> None:
    """Blocks may await at their top level; what they define as tests is called, with the fixtures it asks for."""
    text = page.read_text()
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        code = compile("\n" * line + block[1], str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        running = eval(code, vars(module))
        if inspect.iscoroutine(running):
            await running
    for name, value in list(vars(module).items()):
        if name.startswith("test_") and inspect.iscoroutinefunction(value):
            await value(**{wanted: fixture(wanted) for wanted in inspect.signature(value).parameters})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert missing == []
