"""Which names a topic may have. The rules are Apache Kafka's (`Topic.java`): a name is also that of a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tidings.wire.error_codes import ApiError, ErrorCode

NAME_LENGTH_MAX = 249
_LEGAL = re.compile(r"[a-zA-Z0-9._-]+")

GROUP_OFFSETS = "__consumer_offsets"
TRANSACTIONS = "__transaction_state"
SHARE_STATE = "__share_group_state"
CATALOG = "__cluster_metadata"
INTERNAL: frozenset[str] = frozenset({GROUP_OFFSETS, TRANSACTIONS, SHARE_STATE})


def check_name(name: str) -> None:
    """Raises ApiError INVALID_TOPIC_EXCEPTION, worded as Apache Kafka does."""
    if not name:
        problem = "the empty string is not allowed"
    elif name in (".", ".."):
        problem = f"'{name}' is not allowed"
    elif len(name) > NAME_LENGTH_MAX:
        problem = f"the length of '{name}' is longer than the max allowed length {NAME_LENGTH_MAX}"
    elif not _LEGAL.fullmatch(name):
        problem = f"'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    else:
        return
    raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic name is invalid: {problem}")


def folded(name: str) -> str:
    """Two names that fold to the same may not be there together: metrics cannot tell '.' from '_'."""
    return name.replace(".", "_")


def check_collision(name: str, others: Iterable[str]) -> None:
    """`others` are the topics whose names fold to the same. Raises ApiError if there is one."""
    for other in others:
        if other == name:
            raise ApiError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
        raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic '{name}' collides with existing topic: {other}")
