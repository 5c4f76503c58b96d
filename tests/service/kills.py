"""Services that read, process and write are killed at random; their outputs are compared with a recomputation.

    python -m tests.service.kills --kills 200 --events 100000
    python -m tests.service.kills --kills 200 --events 100000 --kafka     beside Apache Kafka

Kills come at random amounts of progress, one or several processes at a time, so that they meet every moment of a
transaction. In the end every output must be there exactly once, with each key's in the order of its orders.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from tests.peers.apache_kafka import ApacheKafka
from tests.service.shipping_process import FAILS_EVERY, INSURED_EVERY, Order

from tidings.events.declaration import event_type
from tidings.service.clock import SystemClock
from tidings.service.outlet import Writer
from tidings.service.url import bootstrap_servers
from tidings.testing.broker import BrokerProcess
from tidings.testing.process import ChildProcess

PARTITIONS = 6
PATIENCE_S = 120.0
"""Without any progress for so long, something is stuck."""

Output = tuple[str, int]
"""The type of an output, and the number of its order."""


@dataclass(frozen=True)
class Verdict:
    """What came of it."""

    events: int
    kills: int
    outputs: int
    seconds: float
    missing: list[Output]
    doubled: list[Output]
    foreign: list[Output]
    disordered: list[str]
    dead: int
    """Dead letters: there should be none."""

    @property
    def holds(self) -> bool:
        return not (self.missing or self.doubled or self.foreign or self.disordered or self.dead)

    def __str__(self) -> str:
        told = "exactly once, in order" if self.holds else "NOT exactly once"
        return (
            f"{told}: {self.events} events, {self.kills} kills, {self.outputs} outputs in {self.seconds:.0f} s; "
            f"missing {self.missing[:5]}, doubled {self.doubled[:5]}, foreign {self.foreign[:5]}, "
            f"out of order {self.disordered[:5]}, dead letters {self.dead}"
        )


def expected(events: int) -> Counter[Output]:
    """What must be there, worked out anew."""
    found: Counter[Output] = Counter(("Shipped", n) for n in range(events))
    found.update(("Insured", n) for n in range(0, events, INSURED_EVERY))
    return found


class Watch:
    """Reads what the services wrote, as anybody would who reads committed records."""

    def __init__(self, bootstrap: str) -> None:
        self.outputs: Counter[Output] = Counter()
        self.by_key: dict[str, list[int]] = {}
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "watch",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )
        self._consumer.subscribe(["kill-shipments"])

    def read_until(self, count: int) -> None:
        """Until so many outputs were seen. Raises TimeoutError when none come any more."""
        last_s = time.monotonic()
        while self.outputs.total() < count:
            messages = self._consumer.consume(1_000, 0.2)
            for message in messages:
                if message.error() is None:
                    self._note(message)
                elif message.error().code() != KafkaError._PARTITION_EOF:
                    continue
            if messages:
                last_s = time.monotonic()
            elif time.monotonic() - last_s > PATIENCE_S:
                raise TimeoutError(f"{self.outputs.total()} outputs of {count}, and no more come")

    def _note(self, message: object) -> None:
        headers = dict(message.headers())  # type: ignore[attr-defined]
        event = msgspec.json.decode(message.value())  # type: ignore[attr-defined]
        kind = headers["ce_type"].decode()
        self.outputs[kind, event["n"]] += 1
        if kind == "Shipped":
            self.by_key.setdefault(event["id"], []).append(event["n"])

    def close(self) -> None:
        self._consumer.close()


def run(url: str, *, events: int, kills: int, processes: int, seed: int, state: Path, keys: int = 500) -> Verdict:
    """Emit, handle, kill; and say what came of it."""
    bootstrap = bootstrap_servers(url)
    chance = random.Random(seed)
    began_s = time.monotonic()
    create_streams(bootstrap)
    emit(bootstrap, events, keys)
    environment = {**os.environ, "TIDINGS_URL": url, "TIDINGS_STATE": str(state)}
    total = expected(events).total()
    moments = sorted(chance.sample(range(1, total), kills))
    watch = Watch(bootstrap)
    with services(processes, environment) as running:
        done = 0
        while done < kills:
            watch.read_until(moments[done])
            for index in chance.sample(range(processes), min(chance.randint(1, processes), kills - done)):
                running[index].kill()
                running[index] = start(environment)
                done += 1
        watch.read_until(total)
    outputs, by_key = watch.outputs, watch.by_key
    watch.close()
    surplus = read_all(bootstrap, "kill-shipments") - outputs.total()
    should = expected(events)
    return Verdict(
        events=events,
        kills=done,
        outputs=outputs.total() + surplus,
        seconds=time.monotonic() - began_s,
        missing=sorted((should - outputs).elements()),
        doubled=sorted(output for output, times in outputs.items() if times > 1)
        + [("surplus", surplus)] * bool(surplus),
        foreign=sorted(set(outputs) - set(should)),
        disordered=sorted(key for key, numbers in by_key.items() if numbers != sorted(numbers)),
        dead=read_all(bootstrap, "shipping.dead-letters"),
    )


def create_streams(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    streams = [NewTopic(name, PARTITIONS, -1) for name in ("kill-orders", "kill-shipments")]
    for created in admin.create_topics(streams).values():
        created.result()


def emit(bootstrap: str, events: int, keys: int) -> None:
    writer = Writer("orders", SystemClock())
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 20,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for n in range(events):
        record = writer.outgoing(event_type(Order), Order(f"o-{n % keys}", n))
        producer.produce(record.stream, record.value, record.key, headers=record.headers)
        if n % 1_000 == 0:
            producer.poll(0)
    if producer.flush(60):
        raise TimeoutError("the orders could not be written")


def read_all(bootstrap: str, stream: str) -> int:
    """How many committed records a stream has."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "count",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    partitions = consumer.list_topics(stream, 10).topics[stream].partitions

    consumer.assign([TopicPartition(stream, partition, OFFSET_BEGINNING) for partition in partitions])
    count = 0
    ended: set[int] = set()
    while len(ended) < len(partitions):
        for message in consumer.consume(1_000, 1.0):
            if message.error() is None:
                count += 1
            elif message.error().code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
    consumer.close()
    return count


def start(environment: dict[str, str]) -> ChildProcess:
    script = Path(__file__).with_name("shipping_process.py")
    return ChildProcess([sys.executable, str(script), "shipping"], environment)


@contextmanager
def services(count: int, environment: dict[str, str]) -> Iterator[list[ChildProcess]]:
    running = [start(environment) for _ in range(count)]
    try:
        yield running
    finally:
        for process in running:
            process.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--kafka", action="store_true", help="beside a real Apache Kafka")
    options = parser.parse_args()
    print(f"seed {options.seed}, one order in {FAILS_EVERY} fails at first", flush=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker: ApacheKafka | BrokerProcess
        broker = ApacheKafka(folder / "kafka") if options.kafka else BrokerProcess(folder / "data")
        stack.enter_context(broker)
        verdict = run(
            broker.url,
            events=options.events,
            kills=options.kills,
            processes=options.processes,
            seed=options.seed,
            state=folder / "state",
        )
    print(verdict)
    return 0 if verdict.holds else 1


if __name__ == "__main__":
    sys.exit(main())
