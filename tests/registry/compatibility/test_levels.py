"""Levels: which versions are compared, and in which direction."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.registry.compatibility.asking import Asking

from tidings.registry.compatibility import levels
from tidings.registry.compatibility.change import Change, Verdicts, below, breaking, fine
from tidings.registry.compatibility.formats import FORMATS, engine_for
from tidings.registry.compatibility.levels import Direction, Level, comparisons
from tidings.registry.compatibility.problem import problem, problems
from tidings.registry.compatibility.schema import SchemaError

PAGE = Path(__file__).parents[3] / "docs" / "compatibility.md"
AVRO = Asking("AVRO")


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (Level.NONE, []),
        (Level.BACKWARD, ["3 reads 2"]),
        (Level.FORWARD, ["2 reads 3"]),
        (Level.FULL, ["3 reads 2", "2 reads 3"]),
        (Level.BACKWARD_TRANSITIVE, ["3 reads 2", "3 reads 1"]),
        (Level.FORWARD_TRANSITIVE, ["2 reads 3", "1 reads 3"]),
        (Level.FULL_TRANSITIVE, ["3 reads 2", "2 reads 3", "3 reads 1", "1 reads 3"]),
    ],
)
def test_a_level_says_who_must_read_whom(level: Level, expected: list[str]) -> None:
    assert [f"{found.reader} reads {found.writer}" for found in comparisons(level, 3, [1, 2])] == expected


@pytest.mark.parametrize("level", Level)
def test_the_first_schema_of_a_subject_is_always_welcome(level: Level) -> None:
    assert list(comparisons(level, 1, [])) == []


def test_a_comparison_names_the_version_it_is_with() -> None:
    assert [found.at for found in comparisons(Level.BACKWARD_TRANSITIVE, 4, [1, 2, 3])] == [2, 1, 0]


def test_the_docs_of_levels_name_them_all() -> None:
    assert levels.__doc__ is not None
    assert all(direction.value in levels.__doc__ for direction in Direction)


@pytest.mark.parametrize("new", ['"long"', '"string"', '["null","int"]'])
def test_forward_is_backward_the_other_way_round(new: str) -> None:
    old = '"int"'
    assert bool(AVRO.messages(Level.FORWARD, new, old)) is bool(AVRO.messages(Level.BACKWARD, old, new))
    both = AVRO.messages(Level.BACKWARD, new, old) + AVRO.messages(Level.FORWARD, new, old)
    assert AVRO.messages(Level.FULL, new, old) == both


def test_only_transitive_levels_look_further_back() -> None:
    history = ['"string"', '"int"']
    assert AVRO.messages(Level.BACKWARD, '"long"', *history) == []
    assert len(AVRO.messages(Level.BACKWARD_TRANSITIVE, '"long"', *history)) == 1


def test_problems_are_looked_for_one_by_one() -> None:
    schemas = [AVRO.parse('"int"'), AVRO.parse('"string"')]
    found = problems(AVRO.engine, Level.FULL_TRANSITIVE, AVRO.parse('"boolean"'), schemas)
    assert next(found).at == 1


def test_a_problem_says_who_breaks() -> None:
    verdicts = Verdicts([breaking("BAD", "{reader} is not {writer}: {detail}"), fine("GOOD", "")])
    backward = problem(verdicts, Change("BAD", "#/a", "x"), Direction.BACKWARD)
    forward = problem(verdicts, Change("BAD", "#/a", "x"), Direction.FORWARD)
    assert backward.what == "the new schema is not the old schema: x"
    assert forward.what == "the old schema is not the new schema: x"
    assert backward.who_breaks != forward.who_breaks


def test_changes_of_a_part_are_told_from_the_whole() -> None:
    assert below("a", [Change("K", ""), Change("K", "b")]) == [Change("K", "a"), Change("K", "a/b")]


def test_there_is_no_other_format() -> None:
    with pytest.raises(SchemaError, match="AVRO, JSON, PROTOBUF"):
        engine_for("XML")


def test_a_format_is_imported_when_it_is_asked_for() -> None:
    program = (
        "import sys; from tidings.registry.compatibility.formats import engine_for; engine_for('JSON');"
        "print(*(name.rpartition('.')[2] for name in sys.modules if name.startswith('tidings.registry.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"avro", "json_schema", "protobuf"} & set(done.stdout.split()) == {"json_schema"}


@pytest.mark.parametrize("name", FORMATS)
def test_the_page_shows_the_tables_that_run(name: str) -> None:
    assert engine_for(name).verdicts.drawn() in PAGE.read_text()


@pytest.mark.parametrize("name", FORMATS)
def test_every_verdict_can_be_put_into_words(name: str) -> None:
    verdicts = engine_for(name).verdicts
    for kind in verdicts:
        said = problem(verdicts, Change(kind, "#/a", "x"), Direction.BACKWARD)
        assert "{" not in str(said)
