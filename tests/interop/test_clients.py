"""Real clients, unmodified, against our broker; and against Apache Kafka, to know that we ask what Kafka gives."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from typing import Any, Protocol

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from tests.interop.clients.base import COMPRESSIONS, Client, Got, Member, Position
from tests.peers.apache_kafka import ApacheKafka

# kafka-python loads its schemas by functions that Python 3.11 calls old, and does not close sockets that were refused.
pytestmark = [
    pytest.mark.filterwarnings("ignore:(read|open)_text is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

PARTITIONS = 6
RECORDS_PER_COMPRESSION = 40
TIMEOUT_S = 40


class Server(Protocol):
    bootstrap: str

    def restart(self) -> object: ...


SERVERS = [
    pytest.param("broker", id="tidings"),
    pytest.param("kafka_to_restart", id="apache-kafka", marks=pytest.mark.external),
]
CLIENTS = ["confluent-kafka", "aiokafka", "kafka-python", pytest.param("kcat", marks=pytest.mark.external)]


@pytest.fixture(scope="module")
def kafka_to_restart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """One of our own: others compare what theirs says, and restarts show."""
    with ApacheKafka(tmp_path_factory.mktemp("kafka-to-restart")) as kafka:
        yield kafka


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, server: Server) -> Iterator[Client]:
    # Imported here: each of these libraries takes its time, and a run of one needs only the one.
    made: Client
    if request.param == "confluent-kafka":
        from tests.interop.clients.confluent import ConfluentClient

        made = ConfluentClient(server.bootstrap)
    elif request.param == "aiokafka":
        from tests.interop.clients.aio import AioClient

        made = AioClient(server.bootstrap)
    elif request.param == "kafka-python":
        from tests.interop.clients.kafka_python import KafkaPythonClient

        made = KafkaPythonClient(server.bootstrap)
    else:
        from tests.interop.clients.kcat import KcatClient

        made = KcatClient(server.bootstrap)
    yield made
    made.close()


@pytest.fixture
def group(server: Server, client: Client) -> Iterator[Group]:
    made = Group(server, client, f"interop-{uuid.uuid4().hex[:8]}")
    yield made
    made.leave_all()


class Group:
    """The members of one consumer group on one topic, and all that they received."""

    def __init__(self, server: Server, client: Client, topic: str) -> None:
        self.client = client
        self.topic = topic
        self.name = f"{topic}-readers"
        self.members: list[Member] = []
        self.server = server
        self.trouble = ""

    def join(self) -> None:
        self.members.append(self.client.join(self.topic, self.name))

    def leave(self, member: Member) -> None:
        self.members.remove(member)
        member.leave()

    def leave_all(self) -> None:
        while self.members:
            self.members.pop().leave()

    def poll_until(self, done: Callable[[], bool], received: list[Got], what: str) -> None:
        deadline = monotonic() + TIMEOUT_S
        while not done():
            if monotonic() > deadline:
                state = f"{len(received)} received, shares {self.shares()}, {self.committed()} committed {self.trouble}"
                pytest.fail(f"not {what} within {TIMEOUT_S} s: {state}")
            for member in self.members:
                received.extend(member.poll())

    def shares(self) -> list[set[int]]:
        return [member.assignment() for member in self.members]

    def settle(self) -> list[Got]:
        """Poll until each partition has one reader and each member its even share; what came meanwhile."""
        received: list[Got] = []
        share = PARTITIONS // len(self.members)
        self.poll_until(
            lambda: (
                all(len(mine) == share for mine in self.shares())
                and set().union(*self.shares()) == set(range(PARTITIONS))
            ),
            received,
            f"shared {share} to each",
        )
        return received

    def receive(self, values: set[str]) -> list[Got]:
        """Poll until all `values` have come."""
        received: list[Got] = []
        self.poll_until(lambda: values <= {got.value for got in received}, received, f"all {len(values)} received")
        return received

    def commit(self, expected: Mapping[int, int]) -> None:
        """Have all members commit until others are told so.

        Once is not always enough: who took over a partition in a rebalance may still be reading again what its former
        owner had received and not committed.
        """

        def done() -> bool:
            for member in self.members:
                member.commit()
            return self.committed() == expected

        self.poll_until(done, [], f"committed {expected}")

    def wait_for_commit(self, expected: Mapping[int, int]) -> None:
        self.poll_until(lambda: self.committed() == expected, [], f"committed {expected}")

    def committed(self) -> dict[int, int] | None:
        """What another client is told; None while the broker that restarts does not tell.

        That is a consumer which never joins. An AdminClient's `list_consumer_group_offsets` would be shorter, and
        crashes the process (librdkafka 2.16) when the answer is NOT_COORDINATOR, as it is just after a restart.
        """
        settings = {"bootstrap.servers": self.server.bootstrap, "group.id": self.name, "log_level": 0}
        onlooker = Consumer(settings)
        try:
            answer = onlooker.committed([TopicPartition(self.topic, p) for p in range(PARTITIONS)], timeout=5)
        except KafkaException as error:
            self.trouble = str(error)
            return None
        finally:
            onlooker.close()
        return {p.partition: p.offset for p in answer if p.offset >= 0}


def batch_of_records(phase: str, compression: str) -> list[tuple[str, str]]:
    """Pairs of key and value; the padding gives compression something to do."""
    return [
        (f"customer-{number % 17}", f"{phase}/{compression}/{number:03}/" + "tidings " * 20)
        for number in range(RECORDS_PER_COMPRESSION)
    ]


def produce_all(client: Client, topic: str, phase: str, compressions: Sequence[str] = COMPRESSIONS) -> dict[str, str]:
    """Values sent to their keys; each compression in a producer of its own."""
    sent: dict[str, str] = {}
    stored: dict[str, Position] = {}
    for compression in compressions:
        records = batch_of_records(phase, compression)
        stored |= client.produce(topic, compression, records)
        sent |= {value: key for key, value in records}
    assert set(stored) in (set(), set(sent))
    return sent


def ends(received: Sequence[Got]) -> dict[int, int]:
    """The position behind the last record received, per partition."""
    behind: dict[int, int] = {}
    for got in received:
        behind[got.at.partition] = max(behind.get(got.at.partition, 0), got.at.offset + 1)
    return behind


def assert_each_once_in_order(received: Sequence[Got], sent: Mapping[str, str], start: Mapping[int, int]) -> None:
    """Nothing lost, nothing twice, offsets without a gap from `start`, and the records of a key in the order sent."""
    assert sorted(got.value for got in received) == sorted(sent)
    offsets: dict[int, list[int]] = defaultdict(list)
    by_key: dict[str, list[str]] = defaultdict(list)
    for got in received:
        offsets[got.at.partition].append(got.at.offset)
        by_key[sent[got.value]].append(got.value)
    for partition, seen in offsets.items():
        first = start.get(partition, 0)
        assert seen == list(range(first, first + len(seen)))
    for key, values in by_key.items():
        assert values == [value for value, of in sent.items() if of == key]


def assert_none_lost_beyond(received: Sequence[Got], sent: Mapping[str, str], committed: Mapping[int, int]) -> None:
    """Every record came, and none from before what was committed: again is allowed in a rebalance, lost is not."""
    assert {got.value for got in received} == set(sent)
    assert all(got.at.offset >= committed.get(got.at.partition, 0) for got in received)
    for partition in {got.at.partition for got in received}:
        assert min(got.at.offset for got in received if got.at.partition == partition) == committed.get(partition, 0)


def test_group_of_three_loses_nothing_over_compressions_rebalance_and_restart(
    server: Server, client: Client, group: Group
) -> None:
    client.create_topic(group.topic, PARTITIONS)
    for _ in range(3):
        group.join()
    assert group.settle() == []

    first = produce_all(client, group.topic, "first")
    received = group.receive(set(first))
    assert_each_once_in_order(received, first, {})
    committed = ends(received)
    group.commit(committed)

    # One leaves while more is coming: the other two take over its partitions where it had committed.
    group.leave(group.members[0])
    second = produce_all(client, group.topic, "second")
    received = group.receive(set(second)) + group.settle()
    assert_none_lost_beyond(received, second, committed)
    committed |= ends(received)
    group.commit(committed)

    # The two stay while the broker restarts, and go on.
    if client.survives_restart:
        server.restart()
    else:
        group.leave_all()
        server.restart()
        group.join()
        group.join()
    third = produce_all(client, group.topic, "third", ["zstd"])
    received = group.receive(set(third))
    assert_none_lost_beyond(received, third, committed)
    committed |= ends(received)
    group.commit(committed)
    group.leave_all()

    # Nobody is there when these come and the broker restarts again; a new member resumes at what was committed.
    fourth = produce_all(client, group.topic, "fourth", ["lz4"])
    server.restart()
    group.wait_for_commit(committed)
    group.join()
    received = group.receive(set(fourth))
    assert_each_once_in_order(received, fourth, committed)
