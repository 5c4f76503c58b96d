"""The catalog: what it was told is there after any stop; nothing of a partition is lost, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

import pytest
from tests.broker.catalogs import ROOT, append, created, open_catalog

from tidings.broker.catalog.catalog import Catalog
from tidings.broker.catalog.data_folder import id_text
from tidings.broker.catalog.metadata_log import framed, parsed
from tidings.broker.catalog.topic import NewTopic
from tidings.broker.catalog.topic_names import GROUP_OFFSETS
from tidings.errors import DiskError, OperatorError
from tidings.log.memory_files import Fault, MemoryFiles
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.metadata_records import ProducerIdsRecord, TopicRecord
from tidings.wire.primitives import MalformedError

Shape = dict[str, tuple[int, dict[str, str]]]


def shape(catalog: Catalog) -> Shape:
    """Topics, the number of their partitions, their settings."""
    return {topic.name: (len(topic.partitions), dict(topic.configs)) for topic in catalog.topics.values()}


def folders(files: MemoryFiles) -> set[str]:
    return {name for name in files.listdir(ROOT) if name != "__cluster_metadata-0"}


async def refusal(catalog: Catalog, name: str, partitions: int = 1) -> ErrorCode:
    (outcome,) = await catalog.create([NewTopic(name, partitions)])
    assert isinstance(outcome, ApiError)
    return outcome.code


# What it knows is what it was told.


async def test_topics_and_settings_are_there_after_a_restart() -> None:
    files = MemoryFiles()
    catalog = open_catalog(files)
    topic = await created(catalog, "orders", 3, retention_ms="1000")
    await catalog.alter_broker("", lambda current: {**current, "log.retention.bytes": "5"})
    await catalog.add_partitions("orders", 4)
    assert catalog.close()
    again = open_catalog(files)
    assert shape(again) == {"orders": (4, {"retention.ms": "1000"})}
    assert again.topics["orders"].id == topic.id
    assert again.topic_by_id(topic.id) is again.topics["orders"]
    assert again.partition("orders", 3).config.retention_ms == 1000
    assert again.partition("orders", 3).config.retention_bytes == 5


async def test_producer_ids_are_kept_for_whoever_gives_them_out() -> None:
    files = MemoryFiles()
    catalog = open_catalog(files)
    assert catalog.producer_ids is None
    await catalog.write([ProducerIdsRecord(broker_id=1, next_producer_id=1000)])
    files.power_cut()
    last = open_catalog(files, clean=False).producer_ids
    assert last is not None
    assert last.next_producer_id == 1000


async def test_altered_settings_reach_open_partitions() -> None:
    catalog = open_catalog(MemoryFiles())
    await created(catalog, "orders")
    partition = catalog.partition("orders", 0)
    await catalog.alter_topic("orders", lambda current: {"max.message.bytes": "77"})
    assert partition.config.message_bytes_max == 77
    await catalog.alter_topic("orders", lambda current: {})
    assert partition.config.message_bytes_max == 1_048_588


async def test_unknown_topics_and_partitions_are_said_to_be_unknown() -> None:
    catalog = open_catalog(MemoryFiles())
    await created(catalog, "orders")
    for name, index in [("orders", 1), ("orders", -1), ("nothing", 0)]:
        with pytest.raises(ApiError) as error:
            catalog.partition(name, index)
        assert error.value.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_topic_created_again_has_another_id_a_higher_epoch_and_no_records() -> None:
    files = MemoryFiles()
    catalog = open_catalog(files)
    first = await created(catalog, "orders")
    append(catalog, "orders", 0, b"old")
    assert await catalog.delete([first]) == [None]
    for _ in range(2):
        second = await created(catalog, "orders")
        assert second.id != first.id
        assert second.partitions[0].leader_epoch > first.partitions[0].leader_epoch
        assert catalog.partition("orders", 0).end_offset == 0
        catalog.close()
        catalog = open_catalog(files)
        first = catalog.topics["orders"]
        assert first.partitions[0].leader_epoch == second.partitions[0].leader_epoch
        await catalog.delete([first])


async def test_whoever_wants_to_know_is_told_of_deleted_topics() -> None:
    catalog = open_catalog(MemoryFiles())
    deleted: list[str] = []
    catalog.deleted.append(lambda topic: deleted.append(topic.name))
    await catalog.delete([await created(catalog, "orders")])
    assert deleted == ["orders"]


async def test_group_offsets_are_an_internal_topic_made_once() -> None:
    catalog = open_catalog(MemoryFiles())
    first, second = await asyncio.gather(catalog.internal_log(GROUP_OFFSETS), catalog.internal_log(GROUP_OFFSETS))
    assert first is second
    topic = catalog.topics[GROUP_OFFSETS]
    assert topic.is_internal
    assert not first.config.deletes
    (error,) = await catalog.delete([topic])
    assert error is not None
    with pytest.raises(ApiError):
        await catalog.add_partitions(GROUP_OFFSETS, 50)


# What it refuses.


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "é", "a\0", "x" * 250])
async def test_impossible_names_are_refused(name: str) -> None:
    assert await refusal(open_catalog(MemoryFiles()), name) is ErrorCode.INVALID_TOPIC_EXCEPTION


async def test_longest_name_is_accepted_and_can_be_deleted() -> None:
    files = MemoryFiles()
    catalog = open_catalog(files)
    topic = await created(catalog, "x" * 249)
    append(catalog, topic.name, 0, b"record")
    renamed: list[str] = []

    def watch(operation: str, path: str) -> None:
        if operation == "rmdir":
            renamed.append(path.rpartition("/")[2])

    files.inject = watch
    assert await catalog.delete([topic]) == [None]
    assert folders(files) == set()
    assert max(map(len, renamed)) <= 255


async def test_names_that_differ_only_in_dot_and_underscore_are_refused() -> None:
    catalog = open_catalog(MemoryFiles())
    await created(catalog, "a.b_c")
    assert await refusal(catalog, "a_b.c") is ErrorCode.INVALID_TOPIC_EXCEPTION
    first, second = await catalog.create([NewTopic("x.y", 1), NewTopic("x_y", 1)])
    assert not isinstance(first, ApiError)
    assert isinstance(second, ApiError)
    await catalog.delete([catalog.topics["a.b_c"]])
    await created(catalog, "a_b.c")


async def test_what_exists_is_not_created_again() -> None:
    catalog = open_catalog(MemoryFiles())
    await created(catalog, "orders")
    assert await refusal(catalog, "orders") is ErrorCode.TOPIC_ALREADY_EXISTS
    first, second = await catalog.create([NewTopic("twice", 1), NewTopic("twice", 1)])
    assert not isinstance(first, ApiError)
    assert isinstance(second, ApiError)
    assert second.code is ErrorCode.TOPIC_ALREADY_EXISTS


async def test_partitions_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidings.broker.catalog.catalog_state.PARTITIONS_MAX", 10)
    catalog = open_catalog(MemoryFiles())
    assert await refusal(catalog, "none", 0) is ErrorCode.INVALID_PARTITIONS
    assert await refusal(catalog, "many", 11) is ErrorCode.INVALID_PARTITIONS
    first, second = await catalog.create([NewTopic("some", 8), NewTopic("more", 3)])
    assert not isinstance(first, ApiError)
    assert isinstance(second, ApiError)
    with pytest.raises(ApiError):
        await catalog.add_partitions("some", 11)
    await catalog.add_partitions("some", 10)
    assert await refusal(catalog, "one") is ErrorCode.INVALID_PARTITIONS


async def test_deleting_twice_at_once_deletes_once() -> None:
    catalog = open_catalog(MemoryFiles())
    topic = await created(catalog, "orders")
    outcomes = await asyncio.gather(catalog.delete([topic]), catalog.delete([topic]))
    assert sorted(outcome is None for (outcome,) in outcomes) == [False, True]


async def test_change_is_made_even_if_who_asked_for_it_hangs_up() -> None:
    files = MemoryFiles()
    catalog = open_catalog(files)
    asking = asyncio.create_task(catalog.create([NewTopic("orders", 1)]))
    await asyncio.sleep(0)
    asking.cancel()
    await catalog.finish()
    assert "orders" in catalog.topics
    catalog.close()
    assert "orders" in open_catalog(files).topics


# What the disk may do to it.


async def test_lost_folder_makes_its_partition_offline_not_empty() -> None:
    files = MemoryFiles()
    catalog = open_catalog(files)
    await created(catalog, "orders", 2)
    append(catalog, "orders", 0, b"record")
    catalog.close()
    for name in files.listdir(f"{ROOT}/orders-0"):
        files.remove(f"{ROOT}/orders-0/{name}")
    files.rmdir(f"{ROOT}/orders-0")
    again = open_catalog(files)
    with pytest.raises(ApiError) as error:
        again.partition("orders", 0)
    assert error.value.code is ErrorCode.KAFKA_STORAGE_ERROR
    assert again.topics["orders"].partitions[0].is_offline
    assert again.partition("orders", 1).end_offset == 0
    assert not again.close(), "the next start has to look again"


async def test_folder_that_cannot_be_attributed_is_kept_and_never_taken_over() -> None:
    files = MemoryFiles()
    catalog = open_catalog(files)
    await created(catalog, "orders")
    append(catalog, "orders", 0, b"record")
    catalog.close()
    files.rename(f"{ROOT}/orders-0", f"{ROOT}/letters-0")
    again = open_catalog(files, clean=False)
    assert "letters-0" in folders(files)
    assert await refusal(again, "letters") is ErrorCode.KAFKA_STORAGE_ERROR
    assert files.exists(f"{ROOT}/letters-0/00000000000000000000.log")


async def test_things_that_are_no_partitions_are_left_alone() -> None:
    files = MemoryFiles()
    open_catalog(files).close()
    for name in ("notes-delete", "orders-x", "orders-01"):
        files.mkdir(f"{ROOT}/{name}")
    files.create(f"{ROOT}/letter-0")
    open_catalog(files).close()
    assert folders(files) == {"notes-delete", "orders-x", "orders-01", "letter-0"}


async def test_full_disk_refuses_a_topic_and_takes_it_later() -> None:
    files = MemoryFiles()
    catalog = open_catalog(files)
    await created(catalog, "before")
    files.space_bytes = files.used_bytes
    assert await refusal(catalog, "orders") is ErrorCode.KAFKA_STORAGE_ERROR
    assert "orders" not in catalog.topics
    files.space_bytes = None
    await created(catalog, "orders")
    append(catalog, "orders", 0, b"record")
    append(catalog, "before", 0, b"record")


async def test_failed_sync_of_the_catalog_is_never_a_success() -> None:
    files = MemoryFiles()
    catalog = open_catalog(files)
    await created(catalog, "before")
    files.inject = lambda operation, path: (
        Fault(5) if operation == "sync" and path.startswith(f"{ROOT}/__cluster") else None
    )
    assert await refusal(catalog, "orders") is ErrorCode.KAFKA_STORAGE_ERROR
    files.inject = None
    assert await refusal(catalog, "later") is ErrorCode.KAFKA_STORAGE_ERROR
    assert shape(catalog).keys() == {"before"}
    assert not catalog.close()
    assert "before" in open_catalog(files, clean=False).topics


async def test_damaged_catalog_is_not_started_with() -> None:
    files = MemoryFiles()
    catalog = open_catalog(files)
    await created(catalog, "orders")
    await created(catalog, "letters")
    catalog.close()
    files.corrupt(f"{ROOT}/__cluster_metadata-0/00000000000000000000.log", 90, b"\xff\xff")
    for clean in (False, True):
        with pytest.raises(DiskError):
            open_catalog(files, clean=clean)
    assert {"orders-0", "letters-0"} <= folders(files)


def test_record_of_a_newer_version_is_refused_clearly() -> None:
    frame = bytearray(framed(TopicRecord(name="orders")))
    assert parsed(bytes(frame)) == TopicRecord(name="orders")
    frame[1] = 99
    with pytest.raises(OperatorError):
        parsed(bytes(frame))
    with pytest.raises(MalformedError):
        parsed(b"\x01")


class PowerCut(Exception):
    """Raised where the machine stops."""


STEPS: list[Callable[[Catalog], Awaitable[object]]] = [
    lambda catalog: created(catalog, "orders", 2),
    lambda catalog: catalog.create([NewTopic("letters", 1, {"retention.ms": "5"}), NewTopic("parcels", 3)]),
    lambda catalog: catalog.add_partitions("orders", 3),
    lambda catalog: catalog.alter_topic("letters", lambda current: {"cleanup.policy": "compact"}),
    lambda catalog: catalog.delete([catalog.topics["orders"], catalog.topics["parcels"]]),
    lambda catalog: created(catalog, "orders", 1),
]


async def run(catalog: Catalog) -> tuple[list[Shape], int]:
    """The steps up to a power cut: what the catalog was like after each, and how many were seen to the end."""
    shapes = [shape(catalog)]
    done = 0
    try:
        for step in STEPS:
            await step(catalog)
            done += 1
            shapes.append(shape(catalog))
            if "orders" in catalog.topics:
                append(catalog, "orders", 0, b"record")
    except PowerCut:
        pass
    return shapes, done


async def test_power_cut_at_any_moment_loses_nothing_acknowledged_and_leaves_nothing_behind() -> None:
    whole, _ = await run(open_catalog(MemoryFiles()))
    cut_at = 0
    done = 0
    while done < len(STEPS):
        cut_at += 1
        for seed in (None, 1, 2):
            files = MemoryFiles()
            left = cut_at
            catalog = open_catalog(files)

            def cut(operation: str, path: str) -> None:
                nonlocal left
                left -= 1
                if left <= 0:
                    raise PowerCut

            files.inject = cut
            _, done = await run(catalog)
            files.inject = None
            files.power_cut(None if seed is None else Random(seed))
            again = open_catalog(files, clean=False)
            at = f"cut at operation {cut_at}, seed {seed}, after {done} steps"
            assert shape(again) in whole[done : done + 2], at
            for topic, replica in again.replicas():
                again.partition(topic.name, replica.index)
            known = {f"{topic.name}-{replica.index}" for topic, replica in again.replicas()}
            assert folders(files) == known, at
            assert again.close(), at
    assert cut_at > 50


async def test_records_of_a_topic_outlive_a_power_cut_in_the_next_change() -> None:
    for cut_at in range(1, 30):
        files = MemoryFiles()
        catalog = open_catalog(files)
        topic = await created(catalog, "orders")
        append(catalog, "orders", 0, b"record")
        left = cut_at

        def cut(operation: str, path: str) -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                raise PowerCut

        files.inject = cut
        with suppress(PowerCut):
            await created(catalog, "letters", 3)
        files.inject = None
        files.power_cut()
        again = open_catalog(files, clean=False)
        assert again.partition("orders", 0).end_offset == 1
        claim = files.read(f"{ROOT}/orders-0/partition.metadata").decode()
        assert claim == f"version: 0\ntopic_id: {id_text(topic.id)}\n"
