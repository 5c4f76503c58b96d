"""What any client has produced, any client reads: the same bytes, at the offsets that were acknowledged, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, ConsumerGroupType
from confluent_kafka.admin import AdminClient
from tests.interop.matrix import CLIENTS, HOW_PRODUCED, MODES, Matrix, Mode, alike, group_of, topic_of
from tests.interop.suites import ROOT

from tidings.testing.broker import BrokerProcess

pytestmark = [pytest.mark.external, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    arguments = ["--set", "group.initial.rebalance.delay.ms=0"]
    with BrokerProcess(tmp_path_factory.mktemp("matrix") / "data", arguments=arguments) as process:
        yield process


@pytest.fixture(scope="module")
def matrix(broker: BrokerProcess) -> Matrix:
    made = Matrix(broker.bootstrap)
    made.fill()
    return made


@pytest.mark.parametrize("mode", MODES, ids=group_of)
@pytest.mark.parametrize("how", HOW_PRODUCED)
@pytest.mark.parametrize("producer", CLIENTS)
def test_what_one_client_produces_another_reads(matrix: Matrix, producer: str, how: str, mode: Mode) -> None:
    assert (producer, how) not in matrix.failures, matrix.failures[producer, how]
    assert mode not in matrix.failures, matrix.failures[mode]
    topic = topic_of(producer, how)
    assert alike(matrix.read[mode][topic]) == alike(matrix.visible(topic, mode.isolation))


@pytest.mark.parametrize("producer", CLIENTS)
def test_a_producer_keeps_its_order(matrix: Matrix, producer: str) -> None:
    assert not [topic for topic in matrix.out_of_order if topic.startswith(f"{producer}-")]


@pytest.mark.parametrize("mode", MODES, ids=group_of)
def test_a_group_is_of_its_protocol_and_has_committed_all_that_it_read(matrix: Matrix, mode: Mode) -> None:
    assert mode not in matrix.failures, matrix.failures[mode]
    admin = AdminClient({"bootstrap.servers": matrix.bootstrap, "log_level": 0})
    of_type = ConsumerGroupType.CONSUMER if mode.protocol == "consumer" else ConsumerGroupType.CLASSIC
    listed = admin.list_consumer_groups(types={of_type}, states={ConsumerGroupState.EMPTY}).result().valid
    assert group_of(mode) in {group.group_id for group in listed}
    asked = ConsumerGroupTopicPartitions(group_of(mode))
    (answer,) = admin.list_consumer_group_offsets([asked]).values()
    committed = {(at.topic, at.partition): at.offset for at in answer.result().topic_partitions}
    for topic, records in matrix.read[mode].items():
        for partition in {record["partition"] for record in records}:
            last = max(record["offset"] for record in records if record["partition"] == partition)
            assert committed[topic, partition] in (last + 1, last + 2)  # behind it, or behind the marker after it


@pytest.mark.parametrize("client", CLIENTS)
def test_the_documentation_names_the_version_that_was_run(matrix: Matrix, client: str) -> None:
    told = re.sub(r"\s+", " ", (ROOT / "docs" / "conformance.md").read_text())
    assert matrix.versions[client].rpartition(", ")[2] in told
