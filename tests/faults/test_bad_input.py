"""A real broker, badly treated: it says in one line what is wrong and what to do, and nobody else suffers."""

from __future__ import annotations

import re
import socket
import struct
from pathlib import Path

import pytest
from tests.faults.checker import Id, check
from tests.faults.load import Load, create_topic, read_all

from tidings.testing.broker import BrokerProcess

TOPIC = "orders"


def frame(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


def header(api_key: int, version: int, client_id: str = "mischief") -> bytes:
    """A request's header, with correlation id 7."""
    return struct.pack(">hhih", api_key, version, 7, len(client_id)) + client_id.encode()


MALFORMED = {
    "a size below zero": struct.pack(">i", -1),
    "a size of two gigabytes": struct.pack(">i", 2**31 - 1),
    "a request of a web browser": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "the greeting of TLS": bytes.fromhex("16030100f8010000f40303") + bytes(256),
    "a frame too short for a header": frame(b"\0\3"),
    "an API that does not exist": frame(header(32_000, 0)),
    "a version that does not exist": frame(header(3, 99)),
    "a client id longer than its frame": frame(struct.pack(">hhih", 3, 1, 7, 30_000) + b"short"),
    "an array longer than its frame": frame(header(3, 1) + struct.pack(">i", 2**31 - 1)),
    "a body cut short": frame(header(0, 3) + b"\xff"),
}


def send(broker: BrokerProcess, data: bytes) -> bytes:
    """Send this on a connection of its own; what comes back until the broker closes it."""
    with socket.create_connection(("127.0.0.1", broker.port), timeout=10) as connection:
        connection.sendall(data)
        answer = b""
        try:
            while part := connection.recv(1 << 16):
                answer += part
        except ConnectionResetError:
            pass  # closed with some of what we sent unread
        return answer


def test_malformed_frames_close_their_connection_with_one_log_line_and_harm_no_other(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, TOPIC, 1)
    with Load(broker.bootstrap, TOPIC) as load:
        for what, data in MALFORMED.items():
            said = len(broker.child.lines("stderr"))
            answer = send(broker, data)
            assert answer == b"", what
            broker.child.wait_for_line("closed", 10, stream="stderr", after=said)
            load.wait_for_more(1)
            lines = broker.child.lines("stderr")[said:]
            assert len(lines) == 1, (what, lines)
            assert re.search(r"closed .*127\.0\.0\.1:\d+", lines[0]), (what, lines)
        load.finish()
        verdict = check(sent=load.sent, acknowledged=load.acknowledged, read=read_all(broker.bootstrap, TOPIC))
        assert verdict.good, str(verdict)


def test_a_connection_that_sends_half_a_frame_and_goes_is_no_trouble(broker: BrokerProcess) -> None:
    with socket.create_connection(("127.0.0.1", broker.port), timeout=10) as connection:
        connection.sendall(frame(header(3, 1))[:9])
    create_topic(broker.bootstrap, TOPIC, 1)
    assert read_all(broker.bootstrap, TOPIC) == []


def assert_refused(broker: BrokerProcess, *words: str) -> None:
    """It ends with exit code 2 and says, in one line and a way out, something with all these words."""
    child = broker.launch()
    try:
        assert child.wait(30) == 2
    finally:
        broker.kill()
    problem, way_out = child.lines("stderr")
    assert problem.startswith("tidings: ")
    assert all(word in problem for word in words), problem
    assert way_out.startswith("  ")
    assert way_out.endswith(".")
    assert child.lines("stdout") == []


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below, with its size and time of change: the same before and after means nothing was written."""
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(folder.rglob("*"))}


def test_a_port_in_use_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert_refused(BrokerProcess(tmp_path / "data", port=port), f"127.0.0.1:{port}", "in use")
    assert tree(tmp_path) == {}


def test_a_file_in_place_of_the_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("mine")
    assert_refused(BrokerProcess(file), str(file))
    assert_refused(BrokerProcess(file / "below"), str(file))
    assert file.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_refused() -> None:
    # Where not even root may write.
    assert_refused(BrokerProcess(Path("/proc/tidings-data")), "/proc/tidings-data")


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("four years")
    before = tree(tmp_path)
    assert_refused(BrokerProcess(tmp_path), str(tmp_path), "thesis.txt")
    assert tree(tmp_path) == before


def test_a_folder_in_use_by_another_broker_is_refused_and_that_one_goes_on(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, TOPIC, 1)
    before = tree(broker.data)
    assert_refused(BrokerProcess(broker.data), str(broker.data), "in use")
    assert tree(broker.data) == before
    with Load(broker.bootstrap, TOPIC) as load:
        load.wait_for_more(1)
        load.finish()
    assert {Id(record.key, record.sequence) for record in read_all(broker.bootstrap, TOPIC)} == set(load.sent)


def test_the_folder_of_a_killed_broker_is_free(broker: BrokerProcess) -> None:
    broker.kill()
    broker.start()


@pytest.mark.parametrize("listen", ["nowhere", "127.0.0.1:port", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, listen: str) -> None:
    assert_refused(BrokerProcess(tmp_path / "data", arguments=["--listen", listen]))
    assert tree(tmp_path) == {}
