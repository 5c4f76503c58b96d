"""kafka-acls and kafka-share-groups on our broker and on an Apache Kafka that has an authorizer: they say the same."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Iterator
from time import monotonic

import pytest
from confluent_kafka import Producer
from tests.broker.client import Client
from tests.interop.alike import alike
from tests.interop.java_tools import JavaTools, Said
from tests.peers.apache_kafka import ApacheKafka

from tidings.testing.broker import BrokerProcess
from tidings.wire.messages.find_coordinator import FindCoordinatorRequest
from tidings.wire.messages.share_group_heartbeat import ShareGroupHeartbeatRequest

pytestmark = [pytest.mark.external, pytest.mark.timeout(600)]

RULES = """
    kafka-acls --list
    kafka-acls --add --allow-principal User:ada --operation Read --topic orders --group readers
    kafka-acls --add --deny-principal User:b --operation Write --topic ord --resource-pattern-type prefixed
    kafka-acls --add --allow-principal User:* --producer --topic shipments
    kafka-acls --add --allow-principal User:ANONYMOUS --operation All --cluster
    kafka-acls --list
    kafka-acls --list --topic orders
    kafka-acls --list --topic orders --resource-pattern-type match
    kafka-acls --list --principal User:ada
    kafka-acls --add --allow-principal ada --operation Read --topic orders
    kafka-acls --remove --force --topic orders
    kafka-acls --list --topic orders
    kafka-acls --remove --force --topic ord --resource-pattern-type prefixed
    kafka-acls --remove --force --topic shipments
    kafka-acls --remove --force --group readers
    kafka-acls --remove --force --cluster
    kafka-acls --list
"""
SHARES_WITH_A_MEMBER = """
    kafka-topics --create --topic orders --partitions 2
    kafka-share-groups --list
    !join
    kafka-share-groups --list
    kafka-share-groups --list --state
    kafka-groups --list
    kafka-share-groups --describe --group workers
    kafka-share-groups --describe --group workers --members
    kafka-share-groups --describe --group workers --state --verbose
    kafka-share-groups --reset-offsets --group workers --topic orders --to-earliest --dry-run
    kafka-share-groups --delete --group workers
    kafka-share-groups --delete-offsets --group workers --topic orders
    kafka-share-groups --reset-offsets --group workers --topic orders --to-earliest --execute
    kafka-consumer-groups --describe --group workers
    kafka-consumer-groups --reset-offsets --group workers --topic orders --to-earliest --execute
    !leave
    kafka-share-groups --describe --group workers --state
    kafka-share-groups --reset-offsets --group workers --topic orders --to-earliest --dry-run
    kafka-share-groups --reset-offsets --group workers --topic orders --to-latest --execute
    kafka-share-groups --describe --group workers
    kafka-share-groups --reset-offsets --group workers --all-topics --to-earliest --execute
    kafka-share-groups --describe --group workers --offsets
    kafka-share-groups --delete-offsets --group workers --topic orders
    kafka-share-groups --describe --group workers
    kafka-share-groups --describe --group nobody
    kafka-share-groups --delete --group workers
    kafka-share-groups --list
    kafka-share-groups --delete --group workers
    kafka-share-groups --delete-offsets --group workers --topic orders
    kafka-share-groups --reset-offsets --group fresh --topic orders:1 --to-latest --execute
    kafka-share-groups --reset-offsets --group fresh --topic nowhere --to-latest --execute
    kafka-share-groups --describe --group fresh
    kafka-share-groups --delete-offsets --group fresh --topic orders
    kafka-share-groups --delete-offsets --group fresh --topic orders
    kafka-share-groups --delete --all-groups
    kafka-configs --entity-type groups --entity-name fresh --alter --add-config share.auto.offset.reset=earliest
    kafka-configs --entity-type groups --entity-name fresh --alter --add-config share.auto.offset.reset=sometime
    kafka-configs --entity-type groups --entity-name fresh --alter --add-config share.delivery.count.limit=11
    kafka-configs --entity-type groups --entity-name fresh --alter --add-config share.record.lock.duration.ms=1
    kafka-configs --entity-type groups --entity-name fresh --alter --add-config share.session.timeout.ms=1000
    kafka-configs --entity-type groups --entity-name fresh --describe
"""

JOIN, LEAVE = 0, -1


def steps(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


RULE_STEPS, SHARE_STEPS = steps(RULES), steps(SHARES_WITH_A_MEMBER)
TOOL_STEPS = [step for step in dict.fromkeys([*RULE_STEPS, *SHARE_STEPS]) if not step.startswith("!")]


async def beat(bootstrap: str, epoch: int) -> None:
    """A member of the share group `workers` joins, or leaves: as a raw request, for it is to stand still in between.

    Apache Kafka makes what it needs for share groups with the first one, and assigns when that is there.
    """
    host, port = bootstrap.rsplit(":", 1)
    deadline = monotonic() + 60
    async with await Client.connect((host, int(port))) as client:
        while monotonic() < deadline:
            await client.ask(FindCoordinatorRequest(key_type=0, coordinator_keys=["workers"]), 4)
            request = ShareGroupHeartbeatRequest(
                group_id="workers",
                member_id="w-1",
                member_epoch=epoch,
                subscribed_topic_names=["orders"] if epoch >= JOIN else None,
            )
            reply = await client.ask(request, 1)
            if reply.error_code == 0:
                if epoch == LEAVE or reply.assignment.topic_partitions:
                    return
                epoch = reply.member_epoch
            await asyncio.sleep(0.1)
    raise AssertionError(reply)


def take(tools: JavaTools, bootstrap: str) -> dict[str, list[Said]]:
    said: dict[str, list[Said]] = {}
    producer = Producer({"bootstrap.servers": bootstrap})
    for step in [*RULE_STEPS, *SHARE_STEPS]:
        if step == "!join":
            for number in range(7):
                producer.produce("orders", b"x", partition=number % 2)
            assert producer.flush(30) == 0
            asyncio.run(beat(bootstrap, JOIN))
        elif step == "!leave":
            asyncio.run(beat(bootstrap, LEAVE))
        else:
            tool, *arguments = shlex.split(step)
            said.setdefault(step, []).append(tools.run(tool, "--bootstrap-server", bootstrap, *arguments))
    return said


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, list[Said]], dict[str, list[Said]]]]:
    folder = tmp_path_factory.mktemp("java-rules")
    authorizer = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with (
        JavaTools() as tools,
        BrokerProcess(folder / "data", arguments=["--durability", "os"]) as broker,
        ApacheKafka(folder / "apache-kafka", settings=authorizer) as kafka,
    ):
        yield take(tools, broker.bootstrap), take(tools, kafka.bootstrap)


@pytest.mark.parametrize("step", TOOL_STEPS)
def test_a_tool_says_of_our_broker_what_it_says_of_apache_kafka(
    sessions: tuple[dict[str, list[Said]], dict[str, list[Said]]], step: str
) -> None:
    ours, theirs = sessions
    assert [without_epochs(said) for said in ours[step]] == [without_epochs(said) for said in theirs[step]]


def without_epochs(said: Said) -> tuple[int, list[str]]:
    """Apache Kafka's groups need some epochs more, until what it keeps states in is there."""
    return alike(Said(said.code, re.sub(r"((?:Stable|Empty)\s+)\d+\s+\d+", r"\1E E", said.text)))
