"""The composition root: opens the data folder, recovers, listens; and stops in the reverse order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidings.broker.clock import Clock, SystemClock
from tidings.broker.config import BrokerConfig

if TYPE_CHECKING:
    from tidings.broker.catalog import Catalog
    from tidings.broker.durability import Durability


class Broker:
    """One broker on one data folder. Handlers reach everything through it."""

    config: BrokerConfig
    clock: Clock
    catalog: Catalog
    durability: Durability
    groups: Any  # runtime around the group coordinator
    producer_ids: Any
    cluster_id: str
    address: tuple[str, int]
    """Host and port as clients are told them: `advertised`, or where we listen."""

    def __init__(self, config: BrokerConfig, clock: Clock | None = None) -> None:
        self.config = config
        self.clock = clock or SystemClock()
