"""Opening a partition whose last process did not close it: what is cut, what is kept, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.log.batches import NOW_MS, batch, contents, naming

from tidings.errors import DiskError
from tidings.log.checkpoint import Checkpoint
from tidings.log.config import LogConfig
from tidings.log.memory_files import MemoryFiles
from tidings.log.partition import Partition
from tidings.wire.records import HEADER_BYTES

PATH = "orders-0"
LOG = f"{PATH}/{0:020d}.log"
CONFIG = LogConfig(segment_bytes=1000)


def _open(files: MemoryFiles, *, clean: bool = False, config: LogConfig = CONFIG) -> Partition:
    return Partition.open(files, PATH, config, now_ms=NOW_MS, clean=clean)


def _written(values: list[bytes], config: LogConfig = CONFIG) -> MemoryFiles:
    """One batch of each value, synced, by a process that was then killed."""
    files = MemoryFiles()
    partition = _open(files, clean=True, config=config)
    for value in values:
        partition.append(batch(value), now_ms=NOW_MS)
    partition.sync()
    partition.close(clean=False)
    return files


def _disk(files: MemoryFiles) -> dict[str, bytes]:
    return {name: files.read(f"{PATH}/{name}") for name in files.listdir(PATH)}


def _copy(disk: dict[str, bytes]) -> MemoryFiles:
    files = MemoryFiles()
    files.mkdir(PATH)
    for name, data in disk.items():
        files.write(f"{PATH}/{name}", data, sync=True)
    return files


def _logs(files: MemoryFiles) -> list[str]:
    return [name for name in files.listdir(PATH) if name.endswith(".log")]


VALUES = [b"first", b"second", b"third value", b"the fourth, and last"]


SIZES = [len(batch(value)) for value in VALUES]


@pytest.mark.parametrize("zeroed", [False, True], ids=["cut off", "zero-filled"])
def test_a_tail_torn_at_any_byte_is_cut_and_all_before_it_kept(zeroed: bool) -> None:
    disk = _disk(_written(VALUES))
    log = disk[f"{0:020d}.log"]
    for size in range(sum(SIZES[:2]), sum(SIZES)):
        torn = log[:size] + bytes(len(log) - size) if zeroed else log[:size]
        files = _copy(disk)
        files.write(LOG, torn, sync=True)
        # The last bytes of a batch may have been zeros anyway.
        kept = max(count for count in range(5) if torn.startswith(log[: sum(SIZES[:count])]))
        with naming(f"{size} bytes are left"):
            _opens_and_goes_on(files, kept)


def _opens_and_goes_on(files: MemoryFiles, kept: int) -> None:
    partition = _open(files)
    assert [value for _, value in contents(partition)] == VALUES[:kept]
    assert partition.append(batch(b"next"), now_ms=NOW_MS).base_offset == kept
    partition.close()
    partition = _open(files, clean=True)
    assert contents(partition)[-1][1] == b"next"
    partition.close()


def test_a_torn_tail_may_span_segments_begun_but_empty() -> None:
    files = _written([b"x" * 300] * 2)
    files.write(LOG, files.read(LOG)[:-7], sync=True)
    files.create(f"{PATH}/{2:020d}.log").close()
    partition = _open(files)
    assert partition.end_offset == 1
    assert _logs(files) == [f"{0:020d}.log"]
    assert partition.append(batch(b"next"), now_ms=NOW_MS).base_offset == 1
    partition.close()


def _refused(files: MemoryFiles, clean: bool = False) -> str:
    """Opening says what is damaged, and leaves every byte of the segments."""
    before = _disk(files)
    with pytest.raises(DiskError) as caught:
        _open(files, clean=clean)
    assert _disk(files) == before
    return str(caught.value)


def test_any_flipped_header_bit_before_the_last_batch_is_reported_and_nothing_cut() -> None:
    disk = _disk(_written(VALUES))
    first_bytes = len(batch(VALUES[0]))
    for bit in range(8 * HEADER_BYTES):
        files = _copy(disk)
        damaged = bytearray(disk[f"{0:020d}.log"])
        damaged[first_bytes + bit // 8] ^= 1 << bit % 8
        files.write(LOG, damaged, sync=True)
        assert f"{LOG}, position {first_bytes}, offset 1: damaged" in _refused(files)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_flipped_bit_before_the_last_batch_is_reported_and_nothing_cut(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.binary(max_size=300), min_size=3, max_size=12))
    files = _written(values)
    logs = _logs(files)
    last_bytes = len(batch(values[-1]))
    sizes = [len(files.read(f"{PATH}/{name}")) for name in logs]
    bit = data.draw(st.integers(0, 8 * (sum(sizes) - last_bytes) - 1))
    for name, size in zip(logs, sizes, strict=True):
        if bit < 8 * size:
            damaged = bytearray(files.read(f"{PATH}/{name}"))
            damaged[bit // 8] ^= 1 << bit % 8
            files.write(f"{PATH}/{name}", damaged, sync=True)
            break
        bit -= 8 * size
    # Segments before the recovery point are not read when opening: that is found when they are.
    if int(name[:20]) >= (Checkpoint.read(files, PATH) or Checkpoint()).recovery_point:
        _refused(files)
    else:
        partition = _open(files)
        with pytest.raises(DiskError):
            contents(partition)
        partition.close()


def test_a_missing_segment_is_reported() -> None:
    files = _written([b"x" * 300] * 9)
    files.remove(f"{PATH}/offset-checkpoint")
    logs = _logs(files)
    assert len(logs) > 2
    files.remove(f"{PATH}/{logs[1]}")
    assert "is there. Nothing was changed" in _refused(files)


@pytest.mark.parametrize("clean", [True, False])
def test_what_was_synced_at_a_clean_stop_is_missed(clean: bool) -> None:
    files = _written(VALUES)
    _open(files).close()
    log = files.read(LOG)
    for size in (len(log) - len(batch(VALUES[-1])), len(log) - 1, 0):
        files.write(LOG, log[:size], sync=True)
        assert "synced" in _refused(files, clean)


@pytest.mark.parametrize("position", [-3, 3, 9, 80])
def test_damage_to_what_was_known_to_be_on_the_disk_is_never_taken_for_a_torn_tail(position: int) -> None:
    files = _written(VALUES)
    _open(files).close()
    damaged = bytearray(files.read(LOG))
    damaged[position] ^= 4
    files.write(LOG, damaged, sync=True)
    try:
        partition = _open(files)
    except DiskError:
        pass
    else:
        with pytest.raises(DiskError):
            contents(partition)
        partition.close()
    assert files.read(LOG) == damaged


def test_recovery_begins_where_the_last_record_of_progress_was_made() -> None:
    config = LogConfig(recovery_bytes=1000)
    values = [b"%d" % number * 50 for number in range(101)]
    files = MemoryFiles()
    partition = _open(files, config=config)
    for value in values:
        partition.append(batch(value), now_ms=NOW_MS)
        partition.sync()
    partition.close(clean=False)
    damaged = bytearray(files.read(LOG))
    damaged[-3] ^= 4  # in the last batch: a torn tail, for all that anybody can tell
    files.write(LOG, damaged, sync=True)
    assert 90 < (Checkpoint.read(files, PATH) or Checkpoint()).recovery_point < 101
    recovered = _open(files, config=config)
    assert recovered.end_offset == 100
    assert contents(recovered) == list(enumerate(values[:-1]))
    assert recovered.offset_of_max_timestamp() == (0, NOW_MS)
    recovered.close()


def test_an_interrupted_deletion_is_finished() -> None:
    files = _written([b"x" * 300] * 9)
    Checkpoint(7, 0).write(files, PATH)
    partition = _open(files)
    assert partition.log_start_offset == 7
    assert [int(name[:20]) for name in _logs(files)] == [6, 8]
    assert [offset for offset, _ in contents(partition)] == [7, 8]
    partition.close()


def test_what_interrupted_writes_leave_behind_is_removed() -> None:
    files = _written(VALUES)
    for name in ("offset-checkpoint.tmp", f"{77:020d}.index", f"{77:020d}.timeindex"):
        files.write(f"{PATH}/{name}", b"litter", sync=True)
    _open(files).close()
    assert not any(name.startswith(f"{77:020d}") or name.endswith(".tmp") for name in files.listdir(PATH))


def test_files_of_others_are_left_alone() -> None:
    files = _written(VALUES)
    names = ["partition.metadata", "notes.txt", "7.log", f"{5:020d}x.log"]
    for name in names:
        files.write(f"{PATH}/{name}", b"not ours", sync=True)
    _open(files).close()
    assert set(names) <= set(files.listdir(PATH))


def test_a_damaged_start_offset_is_reported() -> None:
    files = _written(VALUES)
    partition = _open(files)
    partition.delete_before(2)
    partition.close()
    path = f"{PATH}/offset-checkpoint"
    files.write(path, files.read(path).replace(b"offset 2", b"offset 1"), sync=True)
    assert "damaged" in _refused(files, clean=True)


def test_a_second_crash_during_recovery_loses_nothing() -> None:
    disk = _disk(_written(VALUES))
    disk[f"{0:020d}.log"] = disk[f"{0:020d}.log"][:-1]
    for _ in range(2):
        files = _copy(disk)
        partition = _open(files)
        assert len(contents(partition)) == 3
        partition.close(clean=False)
        files.power_cut()
        partition = _open(files)
        assert len(contents(partition)) == 3
        partition.close()


@pytest.mark.parametrize("crashed_before", [False, True])
def test_producers_outlive_their_records(crashed_before: bool) -> None:
    files = MemoryFiles()
    config = LogConfig(segment_bytes=300)
    partition = Partition.open(files, PATH, config, now_ms=NOW_MS, clean=True, durability="os")
    sent = batch(b"x" * 200, producer_id=7, producer_epoch=0, sequence=0)
    partition.append(bytearray(sent), now_ms=NOW_MS)
    partition.append(batch(b"x" * 200), now_ms=NOW_MS)
    if crashed_before:
        partition.close(clean=False)
        partition = _open(files, config=config)
    partition.delete_before(1)
    assert len(_logs(files)) == 1
    partition.close(clean=False)
    partition = _open(files, config=config)
    assert partition.append(bytearray(sent), now_ms=NOW_MS).duplicate
    partition.close()


def test_what_was_verified_once_has_its_own_indexes_at_the_next_start() -> None:
    """Or retention, which goes by them, would take records for older than they are."""
    config = LogConfig(segment_bytes=1000, segment_ms=1000, index_interval_bytes=0)
    files = MemoryFiles()
    partition = _open(files, clean=True, config=config)
    partition.append(batch(b"indexed", timestamp=NOW_MS), now_ms=NOW_MS)
    partition.close()  # leaves the indexes of one record
    partition = Partition.open(files, PATH, config, now_ms=NOW_MS, clean=True, durability="os")
    partition.append(batch(b"later", timestamp=NOW_MS + 1), now_ms=NOW_MS + 1)
    partition.append(batch(b"in the next segment", timestamp=NOW_MS + 5000), now_ms=NOW_MS + 5000)
    for _ in range(2):
        partition.close(clean=False)
        partition = _open(files, config=config)
    found = partition.offset_for_time(NOW_MS + 1)
    assert found is not None
    assert found.offset == 1
