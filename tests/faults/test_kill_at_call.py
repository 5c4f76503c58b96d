"""The broker dies at a chosen system call: just before a sync, a write, a rename that something hangs on."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from tests.faults.checker import check
from tests.faults.load import CALM, Load, create_topic, read_all

from tidings.errors import OperatorError, UnavailableError
from tidings.testing.broker import BrokerProcess

pytestmark = [pytest.mark.external, pytest.mark.timeout(300)]

TOPIC = "orders"

POINTS = [
    *[("fdatasync", nth) for nth in (1, 2, 3, 10, 25)],
    *[("fsync", nth) for nth in (1, 2, 4)],
    *[("write", nth) for nth in (1, 2, 5, 40, 200)],
    *[("rename", nth) for nth in (1, 2, 5)],
    *[("unlink", 1)],
]
"""A call, and the how-many-th of it in one thread. The first ones come while the broker starts."""


def dying_at(call: str, nth: int) -> list[str]:
    """The wrapper that ends it, as SIGKILL would, on entering that call. The broker stays our own child (-D)."""
    strace = shutil.which("strace")
    if strace is None:
        raise OperatorError("strace is not installed here", "run scripts/install-test-peers")
    return [
        strace,
        "-D",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        f"trace={call}",
        "-e",
        f"inject={call}:signal=KILL:when={nth}",
    ]


def create_topics_until_it_dies(broker: BrokerProcess, names: list[str], number: count[int]) -> None:
    """Adds to `names` those of which it said that they are made."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, **CALM})
    while broker.running:
        name = f"made-{next(number)}"
        try:
            admin.create_topics([NewTopic(name, 1, 1)], request_timeout=1)[name].result(5)
        except KafkaException:
            continue  # no answer: it may be there or not
        names.append(name)


def test_nothing_acknowledged_is_lost_when_it_dies_at_any_of_these_calls(tmp_path: Path) -> None:
    made: list[str] = []
    number = count()
    with BrokerProcess(tmp_path / "data") as broker:
        create_topic(broker.bootstrap, TOPIC, 4, **{"segment.bytes": str(1 << 20)})
        with Load(broker.bootstrap, TOPIC) as load:
            for call, nth in POINTS:
                load.wait_for_more(1)
                broker.stop()
                broker.wrapper = dying_at(call, nth)
                died = broker.launch()
                create_topics_until_it_dies(broker, made, number)
                assert died.exit_code == -9, f"at {call} {nth}: {died.tail()}"
                acknowledged = list(load.acknowledged)
                broker.wrapper = []
                try:
                    broker.start()
                except UnavailableError as error:
                    pytest.fail(f"does not start after it died at {call} {nth}: {error}")
                read = read_all(broker.bootstrap, TOPIC)
                verdict = check(sent=load.sent, acknowledged=acknowledged, read=read)
                assert verdict.good, f"after it died at {call} {nth}: {verdict}"
            load.finish()
            verdict = check(sent=load.sent, acknowledged=load.acknowledged, read=read_all(broker.bootstrap, TOPIC))
            assert verdict.good, str(verdict)
        topics = AdminClient({"bootstrap.servers": broker.bootstrap, **CALM}).list_topics(timeout=30).topics
        assert set(made) <= set(topics)
