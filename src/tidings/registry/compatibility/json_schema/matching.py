"""The largest matching between two sides: who is put beside whom so that as many as possible have somebody."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence


def largest_matching(edges: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """From left to right. `edges` are those each on the left may be put beside, the best first.

    By augmenting paths, each found breadth first, so that nothing depends on the stack.
    """
    taken: dict[int, int] = {}
    for left in edges:
        came_from: dict[int, int] = {}
        free = _free_right(left, edges, taken, came_from)
        while free is not None:
            matched_left = came_from[free]
            previous = next((right for right, other in taken.items() if other == matched_left), None)
            taken[free] = matched_left
            free = previous if matched_left != left else None
    return {left: right for right, left in taken.items()}


def _free_right(
    left: int, edges: Mapping[int, Sequence[int]], taken: Mapping[int, int], came_from: dict[int, int]
) -> int | None:
    """One on the right that nobody has, and by way of whom it is reached."""
    waiting = deque((left,))
    while waiting:
        current = waiting.popleft()
        for right in edges[current]:
            if right not in came_from:
                came_from[right] = current
                if right not in taken:
                    return right
                waiting.append(taken[right])
    return None
