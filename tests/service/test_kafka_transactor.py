"""Transactions with a real broker: all or nothing, once, whatever dies in the middle."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from tidings import Service, event
from tidings.service.transports import kafka_calls, kafka_transactor
from tidings.service.transports.base import (
    Mark,
    NotWrittenError,
    Outgoing,
    Place,
    StaleError,
    StreamSpec,
)
from tidings.service.transports.kafka import KafkaTransport
from tidings.service.transports.kafka_consumer import KafkaGroupConsumer
from tidings.service.transports.kafka_instances import Instance
from tidings.service.transports.kafka_transactor import KafkaTransactor
from tidings.testing.broker import BrokerProcess

WAIT_S = 40
TEXTS = [b"first", b"second"]


class Member:
    """One process of a service, as far as the broker can see: a consumer, and its transactor."""

    def __init__(self, url: str, group: str, instances: Path | None) -> None:
        self.transport = KafkaTransport(url, group, instances=None if instances is None else lambda: instances)
        self.marks: dict[Place, Mark | None] = {}
        self.changed = asyncio.Event()
        self.consumer: KafkaGroupConsumer = self.transport.consumer(group, [f"{group}-in"], self)
        self.transactor = self.consumer.transactor()
        assert isinstance(self.transactor, KafkaTransactor)

    def assigned(self, marks: Mapping[Place, Mark | None]) -> None:
        self.marks.update(marks)
        self.changed.set()

    async def revoked(self, places: Collection[Place]) -> Mapping[Place, Mark]:
        self.lost(places)
        return {}

    def lost(self, places: Collection[Place]) -> None:
        for place in places:
            self.marks.pop(place, None)
        self.changed.set()

    async def has(self, count: int) -> None:
        """Until it has so many partitions."""
        async with asyncio.timeout(WAIT_S):
            while len(self.marks) != count:
                self.changed.clear()
                await self.changed.wait()

    async def write(self, records: list[Outgoing], marks: Mapping[Place, Mark]) -> None:
        """As a committer does: again, when the group has moved on."""
        while True:
            try:
                return await self.transactor.commit(records, marks)
            except StaleError:
                await asyncio.sleep(0.05)

    async def close(self) -> None:
        await self.transactor.close()
        await self.consumer.close({})
        await self.transport.close()


class Scene:
    """A group with a stream of its own to read and one to write."""

    def __init__(self, broker: BrokerProcess, folder: Path) -> None:
        self.broker = broker
        self.group = f"g{uuid.uuid4().hex[:8]}"
        self.instances = folder / "instances"
        self.place: Place = (f"{self.group}-in", 0)
        self.members: list[Member] = []

    async def prepare(self, *, partitions: int = 1, configs: Mapping[str, str] | None = None) -> None:
        transport = KafkaTransport(self.broker.url, "prepare")
        specs = [StreamSpec(f"{self.group}-in", partitions, {}), StreamSpec(f"{self.group}-out", 2, configs or {})]
        await transport.ensure_streams(specs)

    async def member(self, instances: Path | None = None) -> Member:
        member = Member(self.broker.url, self.group, instances or self.instances)
        self.members.append(member)
        return member

    def outputs(self, *texts: bytes) -> list[Outgoing]:
        return [Outgoing(f"{self.group}-out", text[:1], text, []) for text in texts or TEXTS]

    async def written(self) -> list[bytes]:
        """What those who read committed records find, up to the present end."""
        transport = KafkaTransport(self.broker.url, "written")
        stream = f"{self.group}-out"
        ends = (await transport.stream_state(stream)).ends
        reader = transport.reader(stream, dict.fromkeys(ends, 0))
        found: list[bytes] = []
        reached: dict[Place, int] = {}
        async with asyncio.timeout(WAIT_S):
            while not all(reached.get((stream, partition), -1) >= end for partition, end in ends.items()):
                batch = await reader.poll()
                found += [record.value or b"" for record in batch.records]
                reached.update(batch.ends)
        await reader.close()
        return sorted(found)

    async def close(self) -> None:
        for member in self.members:
            await member.close()


@pytest.fixture
async def scene(shared_broker: BrokerProcess, tmp_path: Path) -> AsyncIterator[Scene]:
    made = Scene(shared_broker, tmp_path)
    await made.prepare()
    yield made
    await made.close()


class DiedError(BaseException):
    """The process is gone."""


class FragileProducer:
    """A producer at whose n-th call something happens: `before` it is made, or `after`."""

    def __init__(
        self, real: Producer, *, before: Callable[[str], None] | None, after: Callable[[str], None] | None
    ) -> None:
        self._real = real
        self._before = before
        self._after = after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._before is not None:
                self._before(name)
            result = method(*args, **kwargs)
            if self._after is not None:
                self._after(name)
            return result

        return call


def fragile(
    monkeypatch: pytest.MonkeyPatch,
    *,
    before: Callable[[str], None] | None = None,
    after: Callable[[str], None] | None = None,
) -> None:
    def make(config: dict[str, Any]) -> Any:
        return FragileProducer(Producer(config), before=before, after=after)

    monkeypatch.setattr(kafka_transactor, "Producer", make)


# Where nothing goes wrong.


async def test_records_and_marks_are_there_together(scene: Scene) -> None:
    member = await scene.member()
    await member.has(1)
    assert member.marks == {scene.place: None}
    await member.transactor.commit(scene.outputs(), {scene.place: Mark(3, "done:AQE=")})
    assert await scene.written() == TEXTS
    await member.close()
    scene.members.clear()
    successor = await scene.member()
    await successor.has(1)
    assert successor.marks == {scene.place: Mark(3, "done:AQE=")}


async def test_marks_alone_are_a_transaction_too(scene: Scene) -> None:
    member = await scene.member()
    await member.has(1)
    await member.transactor.commit([], {scene.place: Mark(3)})
    await member.transactor.commit([], {scene.place: Mark(4)})
    await member.close()
    scene.members.clear()
    successor = await scene.member()
    await successor.has(1)
    assert successor.marks == {scene.place: Mark(4)}


async def test_transaction_comes_after_the_commits_that_were_asked_for_before(scene: Scene) -> None:
    member = await scene.member()
    await member.has(1)
    member.consumer.commit({scene.place: Mark(1)})
    await member.transactor.commit(scene.outputs(), {scene.place: Mark(2)})
    await member.close()
    scene.members.clear()
    successor = await scene.member()
    await successor.has(1)
    assert successor.marks == {scene.place: Mark(2)}


# Somebody dies.


STEPS = ["begin_transaction", "produce", "produce", "send_offsets_to_transaction", "commit_transaction"]


@pytest.mark.parametrize("step", range(len(STEPS)), ids=lambda step: f"{step}-{STEPS[step]}")
async def test_process_that_dies_after_any_step_has_done_all_or_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    calls: list[str] = []

    def die(name: str) -> None:
        if name in STEPS:
            calls.append(name)
            if len(calls) == step + 1:
                raise DiedError

    fragile(monkeypatch, after=die)
    member = await scene.member()
    await member.has(1)
    with pytest.raises(DiedError):
        await member.transactor.commit(scene.outputs(), {scene.place: Mark(2)})
    await member.close()
    scene.members.clear()
    monkeypatch.undo()
    successor = await scene.member()  # takes the same id, and so ends what was left
    async with asyncio.timeout(8):  # sooner than the transaction's own time
        await successor.has(1)
    if successor.marks[scene.place] is None:
        assert step < len(STEPS) - 1
        await successor.transactor.commit(scene.outputs(), {scene.place: Mark(2)})
    assert await scene.written() == TEXTS


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_commit_whose_outcome_nobody_heard_is_made_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, moment: Literal["before", "after"]
) -> None:
    lost: list[str] = []

    def lose(name: str) -> None:
        if name == "commit_transaction" and not lost:
            lost.append(name)
            raise KafkaException(KafkaError(KafkaError._FATAL, "the producer is broken", fatal=True))

    fragile(monkeypatch, **{moment: lose})
    member = await scene.member()
    await member.has(1)
    await member.transactor.commit(scene.outputs(), {scene.place: Mark(2)})
    assert lost
    assert await scene.written() == TEXTS


async def test_broker_that_is_killed_in_the_middle_of_a_commit_decides_it_once(
    broker: BrokerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(broker, tmp_path)
    await scene.prepare()
    killed = asyncio.Event()
    loop = asyncio.get_running_loop()
    moments = iter(["before", "after"])
    moment = next(moments)

    def kill(when: str, name: str) -> None:
        nonlocal moment
        if name == "commit_transaction" and when == moment:
            moment = next(moments, "never")
            broker.kill()
            loop.call_soon_threadsafe(killed.set)

    fragile(monkeypatch, before=lambda name: kill("before", name), after=lambda name: kill("after", name))
    member = await scene.member()
    await member.has(1)
    expected: list[bytes] = []
    async with asyncio.timeout(WAIT_S):
        for offset in (1, 2, 3):
            texts = [b"%d-first" % offset, b"%d-second" % offset]
            writing = asyncio.create_task(member.write(scene.outputs(*texts), {scene.place: Mark(offset)}))
            if offset < 3:
                await killed.wait()
                killed.clear()
                await asyncio.to_thread(broker.restart)
            await writing
            expected += texts
    assert await scene.written() == expected
    await scene.close()


async def test_call_that_never_returns_is_left_behind(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck: list[str] = []
    free = threading.Event()

    def hang(name: str) -> None:
        if name == "send_offsets_to_transaction" and not stuck:
            stuck.append(name)
            free.wait(WAIT_S)

    fragile(monkeypatch, before=hang)
    monkeypatch.setattr(kafka_transactor, "ANSWER_S", 0.5)
    monkeypatch.setattr(kafka_calls, "LATE_S", 0.2)
    member = await scene.member()
    await member.has(1)
    async with asyncio.timeout(WAIT_S):
        await member.write(scene.outputs(), {scene.place: Mark(2)})
    free.set()
    assert stuck
    assert await scene.written() == TEXTS


# Zombies.


async def test_member_of_an_older_generation_writes_nothing(scene: Scene) -> None:
    await scene.prepare()
    zombie = await scene.member()
    await zombie.has(1)
    old = zombie.consumer._poller.membership
    assert old is not None
    await zombie.close()
    scene.members.clear()
    owner = await scene.member()
    await owner.has(1)
    owner.transactor._member = FrozenMember(old)  # type: ignore[attr-defined]
    with pytest.raises(StaleError):
        await owner.transactor.commit(scene.outputs(), {scene.place: Mark(2)})
    assert await scene.written() == []


class FrozenMember:
    """A consumer that has not heard of anything since."""

    def __init__(self, membership: Any) -> None:
        self.membership = membership
        self.settled = threading.Event()
        self.settled.set()


async def test_who_is_no_member_writes_nothing(scene: Scene) -> None:
    member = await scene.member()
    await member.has(1)
    member.transactor._member = FrozenMember(None)  # type: ignore[attr-defined]
    with pytest.raises(StaleError):
        await member.transactor.commit(scene.outputs(), {scene.place: Mark(2)})


async def test_two_with_the_same_id_fence_each_other_once_and_go_on(scene: Scene, tmp_path: Path) -> None:
    first = await scene.member()
    await first.has(1)
    await first.transactor.commit(scene.outputs(b"first"), {scene.place: Mark(1)})
    copied = tmp_path / "copied"
    copied.mkdir()
    (copied / "0").write_bytes((scene.instances / "0").read_bytes())
    transport = KafkaTransport(scene.broker.url, scene.group, instances=lambda: copied)
    stranger = transport._transactor(scene.group, first.consumer._poller)
    await stranger.commit(scene.outputs(b"second"), {scene.place: Mark(2)})
    await first.transactor.commit(scene.outputs(b"third"), {scene.place: Mark(3)})
    await stranger.commit(scene.outputs(b"fourth"), {scene.place: Mark(4)})
    await stranger.close()
    assert await scene.written() == sorted([b"first", b"second", b"third", b"fourth"])


# Records that are refused.


async def test_record_that_is_too_large_is_named_and_nothing_is_written(
    shared_broker: BrokerProcess, tmp_path: Path
) -> None:
    scene = Scene(shared_broker, tmp_path)
    await scene.prepare(configs={"max.message.bytes": "20000"})
    member = await scene.member()
    await member.has(1)
    outputs = scene.outputs(*[b"%03d" % n for n in range(200)])
    outputs[70] = Outgoing(f"{scene.group}-out", b"k", b"x" * 30_000, [])
    with pytest.raises(NotWrittenError) as failure:
        await member.transactor.commit(outputs, {scene.place: Mark(2)})
    assert list(failure.value.refused) == [70]
    assert await scene.written() == []
    del outputs[70]
    await member.transactor.commit(outputs, {scene.place: Mark(2)})
    assert len(await scene.written()) == 199
    await scene.close()


async def test_records_that_are_too_much_together_are_written_in_smaller_batches(
    shared_broker: BrokerProcess, tmp_path: Path
) -> None:
    scene = Scene(shared_broker, tmp_path)
    await scene.prepare(configs={"max.message.bytes": "20000"})
    member = await scene.member()
    await member.has(1)
    outputs = scene.outputs(*[b"%03d" % n + b"x" * 1_000 for n in range(100)])
    async with asyncio.timeout(WAIT_S):
        await member.transactor.commit(outputs, {scene.place: Mark(2)})
    assert len(await scene.written()) == 100
    await scene.close()


# Ids.


def test_each_process_on_a_machine_has_an_id_that_lasts(tmp_path: Path) -> None:
    first, second = Instance("shipping", tmp_path), Instance("shipping", tmp_path)
    assert first.id != second.id
    assert first.id.startswith("shipping-")
    first.release()
    again = Instance("shipping", tmp_path)
    assert again.id == first.id
    second.release()
    again.release()


def test_torn_file_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "0").write_text("6f1f2c4e-1b7d")
    instance = Instance("shipping", tmp_path)
    instance.release()
    again = Instance("shipping", tmp_path)
    assert again.id == instance.id
    again.release()


def test_without_a_folder_an_id_is_made_for_the_time_being(caplog: pytest.LogCaptureFixture) -> None:
    made = {Instance("shipping", None).id, Instance("shipping", Path("/proc/nowhere")).id}
    assert len(made) == 2
    assert "no lasting id" in caplog.text


# Services.


@event("tx-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str
    n: int


@event("tx-shipments", key="id")
class Shipped(msgspec.Struct, frozen=True):
    id: str
    n: int


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
async def test_members_that_come_and_go_write_every_output_once(
    broker: BrokerProcess, protocol: Literal["classic", "consumer"]
) -> None:
    count, keys = 2_000, 50

    def make() -> Service:
        service = Service("shipping", transport=lambda: KafkaTransport(broker.url, "shipping", group_protocol=protocol))

        @service.on
        async def dispatch(order: Order) -> Shipped:
            await asyncio.sleep(0.002)
            return Shipped(order.id, order.n)

        return service

    watching, orders = Service("watching", url=broker.url), Service("orders", url=broker.url)
    seen: Counter[int] = Counter()
    by_key: dict[str, list[int]] = {}
    progress = asyncio.Event()

    @watching.on
    async def watch(shipped: Shipped) -> None:
        seen[shipped.n] += 1
        by_key.setdefault(shipped.id, []).append(shipped.n)
        progress.set()

    async def at_least(number: int) -> None:
        while len(seen) < number:
            progress.clear()
            await progress.wait()

    async def emit_all() -> None:
        for begin in range(0, count, keys):
            await asyncio.gather(*(orders.emit(Order(f"o-{n % keys}", n)) for n in range(begin, begin + keys)))

    async with asyncio.timeout(90), watching, orders, make():
        emitting = asyncio.create_task(emit_all())
        await at_least(count // 5)
        async with make():
            await at_least(2 * count // 5)
            async with make():
                await at_least(3 * count // 5)
            await at_least(4 * count // 5)
        await emitting
        await at_least(count)
    assert all(times == 1 for times in seen.values())
    assert all(numbers == sorted(numbers) for numbers in by_key.values())


async def test_stream_that_ends_in_a_marker_is_read_to_its_end(broker: BrokerProcess) -> None:
    shipping, watching = Service("shipping", url=broker.url), Service("watching", url=broker.url)
    seen = asyncio.Event()

    @shipping.on
    async def dispatch(order: Order) -> Shipped:
        return Shipped(order.id, order.n)

    @watching.on
    async def watch(shipped: Shipped) -> None:
        seen.set()

    async with asyncio.timeout(WAIT_S), shipping, watching:
        await shipping.emit(Order("o-1", 1))
        await seen.wait()
    transport = KafkaTransport(broker.url, "looking")
    ends = (await transport.stream_state("tx-shipments")).ends
    assert sum(ends.values()) == 2  # the record, and the marker
    async with asyncio.timeout(WAIT_S):
        async with watching:
            while True:
                marks = await asyncio.to_thread(committed, broker, "watching", "tx-shipments", list(ends))
                if all(marks.get(partition, 0) >= end for partition, end in ends.items() if end):
                    break


def committed(broker: BrokerProcess, group: str, stream: str, partitions: list[int]) -> dict[int, int]:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group})
    try:
        found = consumer.committed([TopicPartition(stream, partition) for partition in partitions], 10)
        return {place.partition: place.offset for place in found}
    finally:
        consumer.close()
