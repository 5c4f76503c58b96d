"""The consumer group protocol (KIP-848) as librdkafka speaks it: members come, go, are killed, and miss nothing."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

import pytest
from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupType,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from tests.broker.conftest import OpenBroker, create

from tidings.broker.server import Broker
from tidings.coordination.groups.config import GroupConfig

TIMEOUT_S = 20
QUICK = GroupConfig(consumer_session_timeout_ms=4_000, consumer_heartbeat_interval_ms=200)

KILLED = """
import sys
from confluent_kafka import Consumer
consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": "readers", "group.protocol": "consumer"})
consumer.subscribe(["orders"], on_assign=lambda _, partitions: print(len(partitions), flush=True))
while True:
    consumer.poll(1)
"""


class Member:
    """A consumer that is polled by a thread of its own."""

    def __init__(self, bootstrap: str, *topics: str, **settings: Any) -> None:
        self.read: list[tuple[int, int]] = []
        self.partitions: set[tuple[str, int]] = set()
        self.consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "readers",
                "group.protocol": "consumer",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "log_level": 0,
                **settings,
            }
        )
        self.consumer.subscribe(list(topics), on_assign=self.gain, on_revoke=self.lose, on_lost=self.lose)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.poll)
        self.thread.start()

    def poll(self) -> None:
        while not self.stopping.is_set():
            message = self.consumer.poll(0.05)
            if message is not None and message.error() is None:
                self.take(message)

    def take(self, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        self.read.append((partition, offset))
        with suppress(KafkaException):  # a rebalance may come between: then another reads it again
            self.consumer.commit(message, asynchronous=False)

    def gain(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.partitions = self.partitions | {(part.topic, part.partition) for part in partitions}

    def lose(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.partitions = self.partitions - {(part.topic, part.partition) for part in partitions}

    def leave(self) -> None:
        self.stopping.set()
        self.thread.join()
        with suppress(RuntimeError):
            self.consumer.close()


Join = Callable[..., Member]


@pytest.fixture
async def quick(open_broker: OpenBroker) -> Broker:
    """With sessions of 4 s, and the topic `orders` of six partitions."""
    broker = await open_broker(groups=QUICK)
    await create(broker, "orders", 6)
    return broker


@pytest.fixture
def bootstrap(quick: Broker) -> str:
    host, port = quick.address
    return f"{host}:{port}"


@pytest.fixture
async def join(bootstrap: str) -> Any:
    members: list[Member] = []

    def join_it(*topics: str, **settings: Any) -> Member:
        members.append(Member(bootstrap, *(topics or ("orders",)), **settings))
        return members[-1]

    yield join_it
    for member in members:
        await asyncio.to_thread(member.leave)


async def until(holds: Callable[[], bool]) -> None:
    deadline = monotonic() + TIMEOUT_S
    while not holds():
        assert monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.05)


async def shared(*members: Member, partitions: int = 6) -> None:
    """Until all partitions are read, each by one member, and by each member as many as by any other."""

    def are_shared() -> bool:
        counts = [len(member.partitions) for member in members]
        together = set[tuple[str, int]]().union(*(member.partitions for member in members))
        return sum(counts) == len(together) == partitions and max(counts) - min(counts) <= 1

    await until(are_shared)


async def produced(bootstrap: str, count: int, topic: str = "orders", partitions: int = 6) -> None:
    def produce() -> None:
        producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        for number in range(count):
            producer.produce(topic, str(number), partition=number % partitions)
        assert producer.flush(TIMEOUT_S) == 0

    await asyncio.to_thread(produce)


async def test_three_members_share_one_leaves_and_nothing_is_missed_or_read_twice(bootstrap: str, join: Join) -> None:
    members = [join(), join(), join()]
    await shared(*members)
    await produced(bootstrap, 60)
    await until(lambda: sum(len(member.read) for member in members) == 60)
    await asyncio.to_thread(members[0].leave)
    await shared(*members[1:])
    await produced(bootstrap, 60)
    await until(lambda: sum(len(member.read) for member in members) >= 120)
    read = [where for member in members for where in member.read]
    assert sorted(read) == [(partition, offset) for partition in range(6) for offset in range(20)]


async def test_a_member_that_is_killed_is_given_up_after_its_session(bootstrap: str, join: Join) -> None:
    survivor = join()
    await shared(survivor)
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, bootstrap, stdout=asyncio.subprocess.PIPE
    )
    try:
        await until(lambda: len(survivor.partitions) == 3)
        assert killed.stdout is not None
        async with asyncio.timeout(TIMEOUT_S):
            while await killed.stdout.readline() != b"3\n":
                pass
    finally:
        killed.kill()
        await killed.wait()
    assert len(survivor.partitions) == 3
    await shared(survivor)


async def test_members_go_on_where_they_were_after_a_restart_of_the_broker(
    quick: Broker, bootstrap: str, join: Join, open_broker: OpenBroker
) -> None:
    members = [join(), join()]
    await shared(*members)
    await produced(bootstrap, 30)
    await until(lambda: sum(len(member.read) for member in members) == 30)
    before = [member.partitions for member in members]
    await quick.close()
    await open_broker(groups=QUICK, port=quick.address[1])
    await produced(bootstrap, 30)
    await until(lambda: sum(len(member.read) for member in members) >= 60)
    assert [member.partitions for member in members] == before
    read = [where for member in members for where in member.read]
    assert sorted(read) == [(partition, offset) for partition in range(6) for offset in range(10)]


async def test_one_who_comes_later_goes_on_where_the_last_one_stopped(bootstrap: str, join: Join) -> None:
    await produced(bootstrap, 12)
    first = join()
    await until(lambda: len(first.read) == 12)
    await asyncio.to_thread(first.leave)
    await produced(bootstrap, 12)
    second = join()
    await until(lambda: len(second.read) >= 12)
    assert sorted(second.read) == [(partition, offset) for partition in range(6) for offset in (2, 3)]


async def test_a_regular_expression_reads_topics_that_come_later(quick: Broker, bootstrap: str, join: Join) -> None:
    member = join("^or.*")
    await shared(member)
    await create(quick, "orchids", 2)
    await shared(member, partitions=8)
    await produced(bootstrap, 10, "orchids", 2)
    await until(lambda: len(member.read) == 10)


async def test_a_topic_grows_and_a_topic_goes(quick: Broker, join: Join) -> None:
    await create(quick, "letters", 2)
    member = join("orders", "letters")
    await shared(member, partitions=8)
    await quick.catalog.add_partitions("letters", 4)
    await shared(member, partitions=10)
    await quick.catalog.delete([quick.catalog.topics["letters"]])
    await shared(member)


async def test_a_static_member_comes_back_within_its_session_and_the_other_keeps_what_it_has(
    join: Join, bootstrap: str
) -> None:
    static, other = join(**{"group.instance.id": "shelf-1"}), join()
    await shared(static, other)
    had = static.partitions
    others = other.partitions
    await asyncio.to_thread(static.leave)
    again = join(**{"group.instance.id": "shelf-1"})
    await until(lambda: again.partitions == had)
    assert other.partitions == others


@pytest.mark.parametrize("assignor", ["range", "uniform"])
async def test_the_assignor_can_be_chosen(bootstrap: str, join: Join, assignor: str) -> None:
    settings = {"group.remote.assignor": assignor}
    members = [join(**settings), join(**settings)]
    await shared(*members)
    shares = sorted(sorted(index for _, index in member.partitions) for member in members)
    if assignor == "range":
        assert shares == [[0, 1, 2], [3, 4, 5]]


async def test_an_admin_sees_the_group(bootstrap: str, join: Join) -> None:
    member = join()
    await shared(member)
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    described = await asyncio.wrap_future(admin.describe_consumer_groups(["readers"])["readers"])
    assert (described.state, described.type) == (ConsumerGroupState.STABLE, ConsumerGroupType.CONSUMER)
    assert described.partition_assignor == "uniform"
    (seen,) = described.members
    assert {(part.topic, part.partition) for part in seen.assignment.topic_partitions} == member.partitions
    listed = (await asyncio.wrap_future(admin.list_consumer_groups())).valid
    assert [(group.group_id, group.type) for group in listed] == [("readers", ConsumerGroupType.CONSUMER)]
    await asyncio.to_thread(member.leave)
    await asyncio.wrap_future(admin.delete_consumer_groups(["readers"])["readers"])
    assert (await asyncio.wrap_future(admin.list_consumer_groups())).valid == []


@pytest.mark.parametrize(("first", "second"), [("classic", "consumer"), ("consumer", "classic")])
async def test_an_empty_group_changes_its_protocol_and_goes_on_where_it_was(
    bootstrap: str, join: Join, first: str, second: str
) -> None:
    await produced(bootstrap, 12)
    before = join(**{"group.protocol": first})
    await until(lambda: len(before.read) == 12)
    await asyncio.to_thread(before.leave)
    await produced(bootstrap, 12)
    after = join(**{"group.protocol": second})
    await until(lambda: len(after.read) >= 12)
    assert sorted(after.read) == [(partition, offset) for partition in range(6) for offset in (2, 3)]


CLASSIC = {"group.protocol": "classic", "session.timeout.ms": 6_000, "heartbeat.interval.ms": 200}


@pytest.mark.parametrize("assignor", ["cooperative-sticky", "range"])
async def test_a_group_is_rolled_from_classic_to_consumer_and_back_while_it_reads(
    bootstrap: str, join: Join, assignor: str
) -> None:
    """Nothing is missed and nothing read twice, whoever comes and goes."""
    classic = {**CLASSIC, "partition.assignment.strategy": assignor}
    count = 0

    async def is_read_by(*members: Member) -> None:
        nonlocal count
        await shared(*members)
        await produced(bootstrap, 30)
        count += 5
        await until(lambda: set(whole) <= {where for member in everyone for where in member.read})

    whole: list[tuple[int, int]] = []
    everyone: list[Member] = []

    def add(settings: dict[str, Any]) -> Member:
        everyone.append(join(**settings))
        return everyone[-1]

    def grow() -> None:
        whole.extend((partition, count + offset) for partition in range(6) for offset in range(5))

    present = [add(classic), add(classic)]
    for settings in ({}, {}, classic, classic):
        present.append(add(settings))
        grow()
        await is_read_by(*present)
        await asyncio.to_thread(present.pop(0).leave)
        grow()
        await is_read_by(*present)
    assert sorted(where for member in everyone for where in member.read) == sorted(whole)
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    listed = (await asyncio.wrap_future(admin.list_consumer_groups())).valid
    assert [(group.group_id, group.type) for group in listed] == [("readers", ConsumerGroupType.CLASSIC)]
