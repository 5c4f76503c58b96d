"""The pytest plugin gives its fixtures to who asks, and costs the others nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from importlib.metadata import entry_points
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"

PLUGIN = [] if entry_points(group="pytest11", name="tidings") else ["-p", "tidings.testing.plugin"]
"""An installation made before the plugin was there does not know of it."""

WORLDS = """
    from dataclasses import dataclass
    from tidings import Service, event

    @event("pl-orders", key="id")
    @dataclass(frozen=True)
    class Order:
        id: str

    async def live(world):
        service = Service("shipping")
        handled = []

        @service.on
        async def handle(order: Order) -> None:
            handled.append(order.id)

        async with world(service) as shop:
            await shop.emit(Order("o-1")).settled()
        return handled, shop.seed

    def test_world(world):
        import asyncio
        handled, seed = asyncio.run(live(world))
        assert handled == ["o-1"]
        assert seed == asyncio.run(live(world))[1]
"""

BROKER = """
    from confluent_kafka.admin import AdminClient

    def test_broker(tidings_broker):
        admin = AdminClient({"bootstrap.servers": tidings_broker.bootstrap})
        assert admin.list_topics(timeout=10).brokers
"""

LOADS = """
    import sys

    def test_nothing_is_loaded():
        loaded = sorted(name for name in sys.modules if name.startswith("tidings"))
        assert loaded == ["tidings", "tidings.testing", "tidings.testing.plugin"], loaded
"""


def run_pytest(folder: Path, test: str, *arguments: str) -> None:
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    (folder / "test_it.py").write_text(textwrap.dedent(test))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, "test_it.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def test_world_fixture_makes_worlds_with_the_seed_of_the_test(tmp_path: Path) -> None:
    run_pytest(tmp_path, WORLDS, *PLUGIN)


def test_broker_fixture_is_a_real_broker(tmp_path: Path) -> None:
    run_pytest(tmp_path, BROKER, *PLUGIN)


def test_plugin_loads_nothing_until_a_fixture_is_asked_for(tmp_path: Path) -> None:
    run_pytest(tmp_path, LOADS, *PLUGIN)


def test_what_the_docs_say_about_testing_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "testing.md").read_text(), re.DOTALL)
    run_pytest(tmp_path, "\n\n".join(blocks), *PLUGIN)
