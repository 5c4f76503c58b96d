"""Which nodes a client wants partitions on. There is one node; so all that is to do is to check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from tidings.wire.error_codes import ApiError, ErrorCode


def check_replicas(replicas: Sequence[int], node_id: int) -> None:
    """One partition's replicas. Raises ApiError INVALID_REPLICA_ASSIGNMENT."""
    if not replicas:
        raise _invalid("The manual partition assignment includes an empty replica list.")
    if len(set(replicas)) != len(replicas):
        raise _invalid("The manual partition assignment includes a broker more than once.")
    others = [replica for replica in replicas if replica != node_id]
    if others:
        raise _invalid(
            f"The manual partition assignment includes broker {others[0]}, but no such broker is registered."
        )


def check_indexes(indexes: Iterable[int]) -> None:
    """The partitions of a new topic. Raises ApiError INVALID_REPLICA_ASSIGNMENT."""
    given = sorted(indexes)
    for index, following in pairwise(given):
        if index == following:
            raise _invalid(f"Found multiple manual partition assignments for partition {index}")
    if given != list(range(len(given))):
        raise _invalid("partitions should be a consecutive 0-based integer sequence")


def _invalid(message: str) -> ApiError:
    return ApiError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)
