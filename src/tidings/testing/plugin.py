"""A pytest plugin, there as soon as Tidings is installed: the fixtures `world` and `tidings_broker`.

It is loaded by every pytest of the environment, so it imports nothing until a fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidings.testing.broker import BrokerProcess
    from tidings.testing.world import World


@pytest.fixture
def tidings_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A real broker in a process of its own, on a free port, with its data in a temporary folder.

    `.url` is what TIDINGS_URL takes, `.bootstrap` what Kafka's clients take; `.kill()`, `.restart()`, `.stop()`.
    """
    from tidings.testing.broker import BrokerProcess

    with BrokerProcess(tmp_path_factory.mktemp("tidings") / "data") as broker:
        yield broker


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Callable[..., World]:
    """Makes worlds: `async with world(orders, shipping, faults=Faults(crash=0.1)) as shop: ...`

    A world without a seed gets one made of the test's name, so that a test is the same whenever it runs, and two tests
    are not.
    """
    from zlib import crc32

    from tidings.testing.world import World

    def make(*services: Any, **options: Any) -> World:
        options.setdefault("seed", crc32(request.node.nodeid.encode()))
        return World(*services, **options)

    return make
