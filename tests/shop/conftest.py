"""The shop as processes of its own on a broker of the test's own, and what the log says of its orders."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shop import customers, data
from tidings.cli.crowd import Crowd
from tidings.cli.reader import Reader
from tidings.cli.shop import Shop
from tidings.cli.tally import Tally
from tidings.service.trace import Sighting
from tidings.testing.broker import BrokerProcess

DEADLINE_S = 60


class OpenShop(Shop):
    """Counts its orders from the log."""

    def crowd(self, run: str, count: int) -> Crowd:
        """Customers who are about to place `count` orders, whose ids begin with `run`."""
        return Crowd(self.front_port, data.orders(run, customers.COUNT), count=count)

    def log(self, until: Callable[[list[Sighting]], bool] | None = None) -> list[Sighting]:
        """What the shop's streams hold; with `until`, once that is true of it. Fails when it takes too long."""
        deadline = time.monotonic() + DEADLINE_S
        seen: list[Sighting] = []
        starts = self.starts()
        with Reader(self.cluster) as reader:
            if until is None:
                return [record.event for record in reader.read(starts, self.cluster.ends(starts))]
            for record in reader.follow(starts):
                if record is not None:
                    seen.append(record.event)
                elif until(seen):
                    break
                assert time.monotonic() < deadline, "what was waited for did not come"
        return seen

    def tally(self, run: str, until: Callable[[Tally], bool] | None = None) -> Tally:
        """The account of the orders of a run."""

        def count(seen: list[Sighting]) -> Tally:
            tally = Tally(run)
            for event in seen:
                tally.add(event)
            return tally

        return count(self.log(None if until is None else lambda seen: until(count(seen))))


@pytest.fixture
def shop(broker: BrokerProcess, tmp_path: Path) -> Iterator[OpenShop]:
    folder = tmp_path / "shop"
    folder.mkdir()
    with OpenShop(folder, url=broker.url) as shop:
        shop.connect()
        yield shop
