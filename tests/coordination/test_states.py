"""The state machine is the table, and the table is what the docs show."""

from __future__ import annotations

import pytest

from tidings.coordination.groups import states
from tidings.coordination.groups.states import Event, GroupState, drawn, next_state


def test_the_docs_show_the_table_that_runs() -> None:
    assert states.__doc__ is not None
    assert drawn() in states.__doc__


def test_what_the_table_does_not_have_cannot_happen() -> None:
    with pytest.raises(LookupError, match="ASSIGNED cannot happen to a group that is Empty"):
        next_state(GroupState.EMPTY, Event.ASSIGNED)


def test_every_state_but_dead_has_a_way_on() -> None:
    assert {row.state for row in states.TRANSITIONS} == set(GroupState) - {GroupState.DEAD}
