"""Which partitions are ours, and when what is read of them may be handled."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from tidings.service.partitioner import murmur2, partition_of
from tidings.service.tables.ownership import Ownership
from tidings.service.transports.base import Batch, Place, Received


class Rows:
    """A table that notes what it is told."""

    def __init__(self) -> None:
        self.gone: set[Place] = set()
        self.is_behind = False

    def released(self, places: Collection[Place]) -> None:
        self.gone.update(places)


ORDERS = [("orders", partition) for partition in range(3)]
PAYMENTS = [("payments", partition) for partition in range(3)]


def batch(*places: Place, offset: int = 0) -> Batch:
    return Batch([Received(*place, offset, 0, b"k", b"v", None) for place in places], dict.fromkeys(places, offset + 1))


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def ownership(rows: Rows) -> Ownership:
    return Ownership(3, [rows])


async def test_records_wait_until_the_rows_of_their_partition_are_here(ownership: Ownership, rows: Rows) -> None:
    ownership.assigned(ORDERS[:2])
    assert ownership.complete == frozenset()
    admitting = asyncio.create_task(ownership.admit(batch(*ORDERS[:2])))
    await asyncio.sleep(0)
    assert not admitting.done()
    ownership.restored(rows, ownership.deal)
    assert (await admitting) == batch(*ORDERS[:2])
    assert ownership.complete == {0, 1}
    assert await ownership.admit(batch(*ORDERS[:2])) == batch(*ORDERS[:2])


async def test_batch_of_complete_partitions_goes_on_while_others_are_restored(ownership: Ownership, rows: Rows) -> None:
    ownership.assigned(ORDERS[:1])
    ownership.restored(rows, ownership.deal)
    ownership.assigned(ORDERS[1:2])
    assert await ownership.admit(batch(ORDERS[0])) == batch(ORDERS[0])


async def test_what_was_restored_for_an_earlier_deal_does_not_count(ownership: Ownership, rows: Rows) -> None:
    ownership.assigned(ORDERS[:1])
    earlier = ownership.deal
    ownership.assigned(ORDERS[1:2])
    ownership.restored(rows, earlier)
    assert ownership.complete == frozenset()


async def test_nothing_more_is_handled_while_a_table_has_too_much_to_catch_up_with(
    ownership: Ownership, rows: Rows
) -> None:
    ownership.assigned(ORDERS)
    ownership.restored(rows, ownership.deal)
    rows.is_behind = True
    admitting = asyncio.create_task(ownership.admit(batch(ORDERS[0])))
    await asyncio.sleep(0)
    assert not admitting.done()
    rows.is_behind = False
    ownership.tell()
    assert await admitting == batch(ORDERS[0])


async def test_every_table_has_to_be_restored(rows: Rows) -> None:
    others = Rows()
    ownership = Ownership(3, [rows, others])
    ownership.assigned(ORDERS)
    ownership.restored(rows, ownership.deal)
    assert ownership.complete == frozenset()
    ownership.restored(others, ownership.deal)
    assert ownership.complete == {0, 1, 2}


async def test_records_of_a_partition_that_went_while_they_waited_are_dropped(ownership: Ownership, rows: Rows) -> None:
    ownership.assigned(ORDERS[:2])
    admitting = asyncio.create_task(ownership.admit(batch(*ORDERS[:2])))
    await asyncio.sleep(0)
    ownership.released(ORDERS[:1])
    ownership.restored(rows, ownership.deal)
    assert await admitting == batch(ORDERS[1])


async def test_records_read_before_a_partition_went_and_came_back_are_dropped_for_they_come_again(
    ownership: Ownership, rows: Rows
) -> None:
    ownership.assigned(ORDERS[:1])
    admitting = asyncio.create_task(ownership.admit(batch(ORDERS[0])))
    await asyncio.sleep(0)
    ownership.released(ORDERS[:1])
    ownership.assigned(ORDERS[:1])
    ownership.restored(rows, ownership.deal)
    assert await admitting == Batch([], {})


async def test_partition_is_ours_as_long_as_one_stream_has_it(ownership: Ownership, rows: Rows) -> None:
    ownership.assigned([*ORDERS, *PAYMENTS])
    ownership.restored(rows, ownership.deal)
    ownership.released(ORDERS)
    assert ownership.partitions == {0, 1, 2}
    assert rows.gone == {*ORDERS}
    assert ownership.complete == frozenset()  # what was in hand may have changed rows
    ownership.restored(rows, ownership.deal)
    ownership.released(PAYMENTS[1:])
    assert ownership.partitions == ownership.complete == {0}
    assert rows.gone == {*ORDERS, *PAYMENTS[1:]}


async def test_whoever_follows_partitions_hears_of_a_new_deal(ownership: Ownership, rows: Rows) -> None:
    waiting = asyncio.create_task(ownership.dealt_anew(ownership.deal))
    ownership.restored(rows, ownership.deal)
    await asyncio.sleep(0)
    assert not waiting.done()
    ownership.assigned(ORDERS)
    await waiting
    await ownership.dealt_anew(ownership.deal - 1)


@pytest.mark.parametrize(
    ("key", "hash_"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536), (b"abc", 479470107)],
)
def test_key_is_hashed_as_in_javas_client(key: bytes, hash_: int) -> None:
    """The cases of Apache Kafka's own UtilsTest."""
    assert murmur2(key) == hash_ & 0xFFFFFFFF
    assert partition_of(key, 7) == (hash_ & 0x7FFFFFFF) % 7
