"""The states of a classic group, as a table.

| state               | what happens                                                        | next state          |
|---------------------|---------------------------------------------------------------------|---------------------|
| Empty               | a member joins                                                      | PreparingRebalance  |
| Empty               | it is deleted, or nothing of it is left to keep                     | Dead                |
| PreparingRebalance  | all members have joined, or the time for it is over                 | CompletingRebalance |
| PreparingRebalance  | the same, and no member is left                                     | Empty               |
| CompletingRebalance | the leader's assignment is recorded                                 | Stable              |
| CompletingRebalance | a member joins, changes, leaves, is lost, or does not sync in time  | PreparingRebalance  |
| Stable              | a member joins, changes, leaves, or is lost; the leader joins again | PreparingRebalance  |
| PreparingRebalance  | it becomes a group of the consumer protocol                         | Dead                |
| CompletingRebalance | the same                                                            | Dead                |
| Stable              | the same                                                            | Dead                |

A record in the log shows a group at rest: replayed, it is Stable if it has members and Empty otherwise. A group of
which only offsets are known (a consumer that assigns itself its partitions) is Empty and stays so.

The names are Kafka's, as ListGroups and DescribeGroups tell them.
"""

from __future__ import annotations

from enum import Enum, StrEnum, auto
from typing import NamedTuple


class GroupState(StrEnum):
    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


class Event(Enum):
    """What moves a group from state to state."""

    REBALANCE = auto()
    GENERATION = auto()
    DESERTED = auto()
    ASSIGNED = auto()
    DELETED = auto()


class Transition(NamedTuple):
    state: GroupState
    event: Event
    next_state: GroupState
    happening: str


_S, _E = GroupState, Event

TRANSITIONS = (
    Transition(_S.EMPTY, _E.REBALANCE, _S.PREPARING_REBALANCE, "a member joins"),
    Transition(_S.EMPTY, _E.DELETED, _S.DEAD, "it is deleted, or nothing of it is left to keep"),
    Transition(
        _S.PREPARING_REBALANCE,
        _E.GENERATION,
        _S.COMPLETING_REBALANCE,
        "all members have joined, or the time for it is over",
    ),
    Transition(_S.PREPARING_REBALANCE, _E.DESERTED, _S.EMPTY, "the same, and no member is left"),
    Transition(_S.COMPLETING_REBALANCE, _E.ASSIGNED, _S.STABLE, "the leader's assignment is recorded"),
    Transition(
        _S.COMPLETING_REBALANCE,
        _E.REBALANCE,
        _S.PREPARING_REBALANCE,
        "a member joins, changes, leaves, is lost, or does not sync in time",
    ),
    Transition(
        _S.STABLE,
        _E.REBALANCE,
        _S.PREPARING_REBALANCE,
        "a member joins, changes, leaves, or is lost; the leader joins again",
    ),
    Transition(_S.PREPARING_REBALANCE, _E.DELETED, _S.DEAD, "it becomes a group of the consumer protocol"),
    Transition(_S.COMPLETING_REBALANCE, _E.DELETED, _S.DEAD, "the same"),
    Transition(_S.STABLE, _E.DELETED, _S.DEAD, "the same"),
)

_NEXT = {(row.state, row.event): row.next_state for row in TRANSITIONS}


def next_state(state: GroupState, event: Event) -> GroupState:
    """Raises LookupError if `event` cannot happen in `state`: then we made a mistake, not the client."""
    try:
        return _NEXT[state, event]
    except KeyError:
        raise LookupError(f"{event.name} cannot happen to a group that is {state}") from None


def drawn() -> str:
    """The table as the docstring above shows it."""
    rows = [("state", "what happens", "next state"), *((r.state, r.happening, r.next_state) for r in TRANSITIONS)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
