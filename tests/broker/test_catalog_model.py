"""The catalog beside a dictionary that is told the same: whatever is asked for, and however it is stopped."""

from __future__ import annotations

import asyncio
from random import Random
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.broker.catalogs import ROOT, append, open_catalog

from tidings.broker.catalog.catalog import Catalog
from tidings.broker.catalog.topic import NewTopic
from tidings.log.memory_files import MemoryFiles
from tidings.wire.error_codes import ApiError

NAMES = ["a", "b", "c.d", "c_d"]


class Told(NamedTuple):
    """What the catalog has agreed to about a topic."""

    ends: list[int]
    configs: dict[str, str]
    id: bytes
    epoch: int


Model = dict[str, Told]
names = st.sampled_from(NAMES)
operations = st.one_of(
    st.tuples(st.just("create"), names, st.integers(1, 3)),
    st.tuples(st.just("grow"), names, st.integers(1, 5)),
    st.tuples(st.just("delete"), names, st.just(0)),
    st.tuples(st.just("alter"), names, st.integers(0, 3)),
    st.tuples(st.just("append"), names, st.integers(0, 4)),
    st.tuples(st.just("stop"), names, st.just(0)),
    st.tuples(st.just("cut"), names, st.integers(0, 100)),
)


class Run:
    def __init__(self) -> None:
        self.files = MemoryFiles()
        self.catalog: Catalog = open_catalog(self.files)
        self.model: Model = {}
        self.ids: set[bytes] = set()
        self.epochs: dict[str, int] = {}

    async def create(self, name: str, count: int) -> None:
        (outcome,) = await self.catalog.create([NewTopic(name, count)])
        collides = any(other.replace(".", "_") == name.replace(".", "_") for other in self.model)
        assert isinstance(outcome, ApiError) == collides
        if not isinstance(outcome, ApiError):
            epoch = outcome.partitions[0].leader_epoch
            assert outcome.id not in self.ids
            assert epoch > self.epochs.get(name, -1)
            self.ids.add(outcome.id)
            self.epochs[name] = epoch
            self.model[name] = Told([0] * count, {}, outcome.id, epoch)

    async def grow(self, name: str, count: int) -> None:
        told = self.model.get(name)
        try:
            await self.catalog.add_partitions(name, count)
        except ApiError:
            assert told is None or count <= len(told.ends)
        else:
            assert told is not None
            told.ends.extend([0] * (count - len(told.ends)))

    async def delete(self, name: str, _: int) -> None:
        if name in self.model:
            assert await self.catalog.delete([self.catalog.topics[name]]) == [None]
            del self.model[name]

    async def alter(self, name: str, value: int) -> None:
        if name in self.model:
            wanted = {"retention.ms": str(value)} if value else {}
            await self.catalog.alter_topic(name, lambda current: wanted)
            self.model[name].configs.clear()
            self.model[name].configs.update(wanted)

    async def append(self, name: str, index: int) -> None:
        if name in self.model and index < len(self.model[name].ends):
            append(self.catalog, name, index, b"record")
            self.model[name].ends[index] += 1

    async def stop(self, _: str, __: int) -> None:
        assert self.catalog.close()
        self.catalog = open_catalog(self.files, clean=True)

    async def cut(self, _: str, seed: int) -> None:
        self.files.power_cut(Random(seed) if seed else None)
        self.catalog = open_catalog(self.files, clean=False)

    def compare(self) -> None:
        assert self.catalog.topics.keys() == self.model.keys()
        folders = set()
        for name, told in self.model.items():
            topic = self.catalog.topics[name]
            assert (topic.id, topic.configs) == (told.id, told.configs)
            assert {replica.leader_epoch for replica in topic.partitions} == {told.epoch}
            assert [self.catalog.partition(name, index).end_offset for index in range(len(told.ends))] == told.ends
            assert len(topic.partitions) == len(told.ends)
            folders |= {f"{name}-{index}" for index in range(len(told.ends))}
        assert set(self.files.listdir(ROOT)) - {"__cluster_metadata-0"} == folders


@settings(max_examples=60, deadline=None)
@given(st.lists(operations, max_size=25))
def test_catalog_is_what_it_was_told(story: list[tuple[str, str, int]]) -> None:
    async def tell() -> None:
        run = Run()
        for verb, name, number in [*story, ("cut", "a", 0)]:
            await getattr(run, verb)(name, number)
            if verb in ("stop", "cut"):
                run.compare()

    asyncio.run(tell())
