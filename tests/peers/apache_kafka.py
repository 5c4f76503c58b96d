"""A real Apache Kafka, for the tests and benchmarks that need the original: one node, broker and controller in one."""

from __future__ import annotations

import base64
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tidings.errors import OperatorError, UnavailableError
from tidings.testing.ports import free_port
from tidings.testing.process import ChildProcess

LIBS = Path(__file__).resolve().parents[2] / ".peers/kafka/libs"

SMALL_JVM = ("-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Starts fast and stays small: for tests."""

KAFKAS_OWN_JVM = (
    "-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
)  # fmt: skip
"""What kafka-server-start.sh gives it: for benchmarks."""

_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions=1
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def java_command(main_class: str, *arguments: str, jvm: Sequence[str] = SMALL_JVM) -> list[str]:
    """The command that runs a main class out of Kafka's jars. Raises OperatorError if they are not installed."""
    java = shutil.which("java")
    if java is None or not any(LIBS.glob("kafka_*.jar")):
        raise OperatorError("Apache Kafka or Java is not installed here", "run scripts/install-test-peers")
    log_level = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
    return [java, *jvm, log_level, "-cp", f"{LIBS}/*", main_class, *arguments]


def _ending_with_us() -> list[str]:
    """What makes a process end even if we crash and cannot end it, where there is such a thing."""
    return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def run_java(main_class: str, *arguments: str, stdin: str = "", timeout_s: float = 60) -> str:
    """Run one of Kafka's tools to its end and return what it printed. Raises UnavailableError if it fails."""
    command = java_command(main_class, *arguments)
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode != 0:
        raise UnavailableError(f"{main_class} ended with code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class ApacheKafka:
    """Same face as `tidings.testing.broker.BrokerProcess`, so that one test runs against both.

    `settings` are added to its server.properties.
    """

    def __init__(
        self,
        data: Path,
        *,
        jvm: Sequence[str] = SMALL_JVM,
        settings: Mapping[str, str] | None = None,
        timeout_s: float = 60,
    ) -> None:
        self.data = data
        self.port = free_port()
        self.jvm = jvm
        self.settings = dict(settings or {})
        self.timeout_s = timeout_s
        self.child: ChildProcess | None = None
        self._settings = data / "server.properties"

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"kafka://{self.bootstrap}"

    @property
    def pid(self) -> int:
        assert self.child is not None
        return self.child.pid

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.exit_code is None

    def format(self) -> None:
        """Prepare the data folder, as `kafka-storage.sh format` does. Once, before the first start."""
        self.data.mkdir(parents=True, exist_ok=True)
        settings = _SETTINGS.format(port=self.port, controller_port=free_port(), data=self.data / "logs")
        added = "".join(f"{name}={value}\n" for name, value in self.settings.items())
        self._settings.write_text(settings + added)
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        run_java("kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "--config", str(self._settings))

    def launch(self) -> None:
        """Start it, and do not wait."""
        if not self._settings.exists():
            self.format()
        command = java_command("kafka.Kafka", str(self._settings), jvm=self.jvm)
        self.child = ChildProcess([*_ending_with_us(), *command])

    def start(self) -> Self:
        """Returns when a client gets metadata with a broker in it."""
        self.launch()
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def _wait_until_ready(self) -> None:
        assert self.child is not None
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200})
        deadline = monotonic() + self.timeout_s
        while True:
            if self.child.exit_code is not None:
                raise UnavailableError(f"Apache Kafka ended with code {self.child.exit_code}\n{self.child.tail()}")
            try:
                if admin.list_topics(timeout=0.5).brokers:
                    return
            except KafkaException:
                pass
            if monotonic() > deadline:
                raise UnavailableError(f"Apache Kafka is not up after {self.timeout_s:g} s\n{self.child.tail()}")

    def kill(self) -> None:
        if self.child is not None:
            self.child.kill()

    def stop(self) -> None:
        """SIGTERM, and wait for the end. Java reports it as 143."""
        if self.child is not None and self.running:
            self.child.terminate(self.timeout_s)

    def restart(self) -> Self:
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        return self if self.running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self.kill()
