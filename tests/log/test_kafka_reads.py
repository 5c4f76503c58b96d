"""Apache Kafka's own tool reads our files, and finds nothing to complain of."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.log.batches import NOW_MS
from tests.peers.apache_kafka import run_java

from tidings.log.config import LogConfig
from tidings.log.disk_files import DiskFiles
from tidings.log.partition import Partition
from tidings.wire.compression import Compression
from tidings.wire.records import Record, encode_batch

DUMP = "org.apache.kafka.tools.DumpLogSegments"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A partition of several segments: all compressions, timestamps out of order, one idempotent producer."""
    path = tmp_path / "orders-0"
    log = Partition.open(DiskFiles(), str(path), LogConfig(segment_bytes=60_000), now_ms=NOW_MS, clean=True)
    sequence = 0
    for number in range(600):
        time_ms = NOW_MS + 100 * number - (number * 37) % 500
        records = [Record(0, time_ms + index, b"key", b"v" * (number % 300), [("h", b"1")]) for index in range(3)]
        batch = encode_batch(
            records,
            compression=Compression(number % 5),
            producer_id=9,
            producer_epoch=0,
            base_sequence=sequence,
        )
        log.append(batch, now_ms=NOW_MS + 100_000)
        sequence += len(records)
    log.close()
    return path


def _dump(folder: Path, *suffixes: str, deep: bool = False) -> str:
    files = [str(file) for file in sorted(folder.iterdir()) if file.suffix in suffixes]
    assert files
    return run_java(DUMP, *["--deep-iteration"] * deep, "--files", ",".join(files))


@pytest.mark.external
def test_kafka_reads_every_record(folder: Path) -> None:
    dump = _dump(folder, ".log", deep=True)
    assert dump.count("| offset: ") == 1800
    assert "| offset: 1799 " in dump
    assert "isvalid: false" not in dump


@pytest.mark.external
def test_kafka_finds_no_mismatch_in_the_indexes(folder: Path) -> None:
    dump = _dump(folder, ".index", ".timeindex")
    assert dump.count("position: ") > 20
    assert dump.count("timestamp: ") > 20
    entries = ("Dumping", "offset:", "timestamp:")
    assert not [line for line in dump.splitlines() if not line.startswith(entries) and "is empty" not in line]


@pytest.mark.external
def test_kafka_reads_the_producers(folder: Path) -> None:
    dump = _dump(folder, ".snapshot")
    assert "producerId: 9 producerEpoch: 0" in dump
    assert "firstSequence: 1797 lastSequence: 1799 lastOffset: 1799 offsetDelta: 2" in dump


@pytest.fixture
def transactions(tmp_path: Path) -> Path:
    """Two producers whose transactions overlap, some aborted, one under way; some segments."""
    path = tmp_path / "orders-0"
    log = Partition.open(DiskFiles(), str(path), LogConfig(segment_bytes=2_000), now_ms=NOW_MS, clean=True)
    for number in range(40):
        producer_id = 9 + number % 2
        batch = encode_batch(
            [Record(0, NOW_MS, b"key", b"%d" % number, ())] * 3,
            producer_id=producer_id,
            producer_epoch=0,
            base_sequence=3 * (number // 2),
            is_transactional=True,
        )
        log.append(batch, now_ms=NOW_MS)
        if number % 4 >= 2 and number < 36:
            log.append_marker(producer_id, 0, commit=number % 4 == 2, coordinator_epoch=4, now_ms=NOW_MS)
    log.close()
    return path


@pytest.mark.external
def test_kafka_reads_markers(transactions: Path) -> None:
    dump = _dump(transactions, ".log", deep=True)
    assert dump.count("endTxnMarker: COMMIT coordinatorEpoch: 4") == 9
    assert dump.count("endTxnMarker: ABORT coordinatorEpoch: 4") == 9
    assert dump.count("isTransactional: true isControl: true") == 18
    assert "isvalid: false" not in dump


@pytest.mark.external
def test_kafka_reads_what_was_aborted(transactions: Path) -> None:
    dump = _dump(transactions, ".txnindex")
    assert dump.count("producerId: 10 ") == 9
    assert "version: 0 producerId: 10 firstOffset: 3 lastOffset: 13 lastStableOffset: 14" in dump


@pytest.mark.external
def test_kafka_reads_which_transactions_are_under_way(transactions: Path) -> None:
    dump = _dump(transactions, ".snapshot")
    assert "coordinatorEpoch: 4 currentTxnFirstOffset: Optional" in dump
