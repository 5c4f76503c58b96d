"""The file behind a table."""

from __future__ import annotations

import gc
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.errors import OperatorError
from tidings.service.rarely_collected import rarely_collected
from tidings.service.tables.columns import Columns
from tidings.service.tables.replica import STATEMENT_ROWS, Replica, Row, stored_key

COLUMNS = Columns("Changed", {"name": "name"})


@pytest.fixture
def replica(tmp_path: Path):  # type: ignore[no-untyped-def] # noqa: ANN201
    opened = Replica.open(tmp_path, "customers", COLUMNS)
    yield opened
    opened.close()


def row(key: str, value: bytes | None, offset: int) -> Row:
    return Row(key, value, 0, offset, "id", 1)


def test_rows_and_positions_are_there_after_a_restart(tmp_path: Path) -> None:
    replica = Replica.open(tmp_path, "customers", COLUMNS)
    replica.begin_anew("customers", "one", "Changed")
    replica.apply([row("a", b'{"n":1}', 0)], {0: 1})
    replica.close()
    again = Replica.open(tmp_path, "customers", COLUMNS)
    assert again.get("a") == b'{"n":1}'
    assert again.positions() == {0: 1}
    assert again.belongs_to("customers", "one", "Changed")
    assert not again.belongs_to("customers", "another", "Changed")
    again.close()


def test_rows_and_positions_change_together_or_not_at_all(replica: Replica) -> None:
    replica.apply([row("a", b"1", 0)], {0: 1})
    with pytest.raises(sqlite3.IntegrityError):
        replica.apply([row("b", b"2", 1), Row("c", b"3", None, 2, "", 1)], {0: 3})  # type: ignore[arg-type]
    assert replica.get("b") is None
    assert replica.positions() == {0: 1}


def test_any_sqlite_tool_can_look_inside(replica: Replica) -> None:
    replica.apply([Row("a", b'{"name":"Ada"}', 2, 7, "e-1", 1000)], {2: 8})
    looking = sqlite3.connect(replica.path)
    found = looking.execute("SELECT key, value ->> 'name', partition, offset, id, time_ms FROM rows").fetchall()
    looking.close()
    assert found == [("a", "Ada", 2, 7, "e-1", 1000)]


def test_second_process_keeps_its_own_file(tmp_path: Path) -> None:
    first, second = Replica.open(tmp_path, "customers", COLUMNS), Replica.open(tmp_path, "customers", COLUMNS)
    assert first.path != second.path
    first.close()
    third = Replica.open(tmp_path, "customers", COLUMNS)
    assert third.path == first.path
    second.close()
    third.close()


def test_folder_that_cannot_be_written_is_the_operators_business(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OperatorError) as refused:
        Replica.open(tmp_path / "file", "customers", COLUMNS)
    assert "TIDINGS_STATE" in refused.value.way_out


def test_file_may_be_closed_while_another_thread_writes(tmp_path: Path) -> None:
    rows = [Row(str(number), b"{}", 0, number, None, 0) for number in range(2000)]
    for _ in range(20):
        replica = Replica.open(tmp_path, "customers", COLUMNS)
        writing = threading.Event()

        def write(replica: Replica = replica, writing: threading.Event = writing) -> None:
            writing.set()
            with suppress(sqlite3.ProgrammingError):  # it is closed before we come to it
                replica.apply(rows, {0: len(rows)})

        thread = threading.Thread(target=write)
        thread.start()
        writing.wait()
        replica.close()
        thread.join()
    with closing(Replica.open(tmp_path, "customers", COLUMNS)) as replica:
        assert replica.count() in (0, len(rows))


def test_key_that_is_no_text_is_kept_as_it_is(replica: Replica) -> None:
    replica.apply([Row(stored_key(b"\xff\x00"), b"1", 0, 0, None, 1)], {0: 1})
    assert replica.get(b"\xff\x00") == b"1"


changes = st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(0, 99)), max_size=60)


@settings(deadline=None, max_examples=40)
@given(changes, st.integers(1, 10), st.integers(1, 4))
def test_rows_are_what_a_dictionary_would_hold(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, int | None]], batch: int, page: int
) -> None:
    replica = Replica.open(tmp_path_factory.mktemp("replica"), "customers", COLUMNS)
    expected: dict[str, bytes] = {}
    rows = [row(key, None if n is None else str(n).encode(), at) for at, (key, n) in enumerate(changes)]
    for at in range(0, len(rows), batch):
        replica.apply(rows[at : at + batch], {0: at + batch})
    for key, value, *_ in rows:
        assert isinstance(key, str)
        if value is None:
            expected.pop(key, None)
        else:
            expected[key] = value
    assert {key: value for rows_page in replica.pages(page_rows=page) for key, value in rows_page} == expected
    assert replica.count() == len(expected)
    assert all(replica.get(key) == expected.get(key) for key in "abcdef")
    replica.close()


def test_rows_of_partitions_that_are_not_shown_are_kept_and_seen_by_nobody(tmp_path: Path) -> None:
    replica = Replica.open(tmp_path, "customers", Columns("Changed", {"name": "name"}, ["name"]), 2, whole=False)
    replica.apply([Row(key, b'{"name":"x"}', at, 0, "id", 1) for at, key in enumerate("abc")], {0: 1, 1: 1, 2: 1})
    assert (replica.count(), list(replica.pages())) == (0, [])
    replica.show_only([0, 2])
    assert [key for page in replica.pages() for key, _ in page] == ["a", "c"]
    assert replica.count() == 2
    assert (replica.get("a"), replica.get("b")) == (b'{"name":"x"}', None)
    assert (len(replica.history("a")), replica.history("b")) == (1, [])
    assert [row["_key"] for row in replica.query("SELECT _key FROM Changed ORDER BY 1", ())] == ["a", "c"]
    assert replica.some("1", (), None, 9, 1.0)[0][0] == "a"
    replica.show_only([1])
    assert replica.get("b") == b'{"name":"x"}'
    replica.close()


def test_partition_that_is_forgotten_leaves_nothing(tmp_path: Path) -> None:
    replica = Replica.open(tmp_path, "customers", COLUMNS, 2)
    replica.apply([Row(key, b"1", at, 0, "id", 1) for at, key in enumerate("ab")], {0: 1, 1: 1}, 1_000)
    assert replica.known_ms() == {0: 1_000, 1: 1_000}
    replica.forget([0])
    assert (replica.get("a"), replica.get("b")) == (None, b"1")
    assert replica.history("a") == []
    assert replica.positions() == {1: 1}
    replica.close()


@pytest.mark.parametrize("count", [1, STATEMENT_ROWS - 1, STATEMENT_ROWS, STATEMENT_ROWS * 3 + 1])
def test_many_rows_at_a_time_are_all_kept_whatever_their_keys_are(replica: Replica, count: int) -> None:
    keys = [stored_key(bytes([n % 251, n // 251])) for n in range(count)]
    replica.apply([Row(key, b"%d" % at, 0, at, None, 1) for at, key in enumerate(keys)], {0: count})
    assert {key: replica.get(key) for key in keys} == {key: b"%d" % at for at, key in enumerate(keys)}
    assert replica.count() == count


def test_garbage_is_looked_for_as_usual_once_nobody_reads_many_rows() -> None:
    before = gc.get_threshold()
    with rarely_collected():
        with rarely_collected():
            assert gc.get_threshold()[0] > before[0]
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before


def test_row_that_json_would_change_is_kept_byte_for_byte(replica: Replica) -> None:
    odd = [("nul\0inside", b"{}"), ("rot", b'{"name": "\xff"}'), ("plain", '{"name": "é\\u0000\\ud800"}'.encode())]
    replica.apply([row(key, value, at) for at, (key, value) in enumerate(odd)], {0: 3})
    assert {key: replica.get(key) for key, _ in odd} == dict(odd)
