"""Catalogs over files in memory."""

from __future__ import annotations

from tidings.broker.catalog.catalog import Catalog
from tidings.broker.catalog.topic import NewTopic, Topic
from tidings.broker.clock import SystemClock
from tidings.broker.config import BrokerConfig
from tidings.broker.settings.broker_configs import static_values
from tidings.broker.settings.resolved import Settings
from tidings.log.files import Files
from tidings.wire.records import Record, encode_batch

ROOT = "data"


def open_catalog(files: Files, *, clean: bool = True) -> Catalog:
    files.mkdir(ROOT)
    files.sync_dir(".")
    config = BrokerConfig(data=ROOT)  # type: ignore[arg-type]
    return Catalog(files, ROOT, Settings(1, static_values(config, ROOT)), SystemClock(), clean=clean)


async def created(catalog: Catalog, name: str, partitions: int = 1, **configs: str) -> Topic:
    """The new topic; its settings' names have underscores for dots."""
    settings: dict[str, str | None] = {key.replace("_", "."): value for key, value in configs.items()}
    (topic,) = await catalog.create([NewTopic(name, partitions, settings)])
    assert isinstance(topic, Topic)
    return topic


def append(catalog: Catalog, topic: str, index: int, value: bytes) -> None:
    """A record, on the disk."""
    partition = catalog.partition(topic, index)
    batch = encode_batch([Record(0, SystemClock().now_ms(), None, value, [])])
    partition.append(batch, now_ms=SystemClock().now_ms())
    partition.sync()
