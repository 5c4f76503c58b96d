"""What clients are told about this broker: where to find it, and what they may do with what they asked about."""

from __future__ import annotations

from collections.abc import Iterable

from tidings.broker.requests.dispatch import Context

_ANY_ADDRESS = {"0.0.0.0", "::", ""}

NOT_ASKED = -0x80000000


def advertised_address(context: Context) -> tuple[str, int]:
    """Host and port that reach us from where this client is.

    Listening on every address names none of them: then it is the one at which the client has just reached us.
    """
    host, port = context.broker.address
    return (context.local_host if host in _ANY_ADDRESS else host), port


def _bits(operations: Iterable[int]) -> int:
    return sum(1 << operation for operation in operations)


# Kafka's numbers of operations (AclOperation). Without access control everyone may do everything there is.
_READ, _WRITE, _CREATE, _DELETE, _ALTER, _DESCRIBE, _CLUSTER_ACTION = 3, 4, 5, 6, 7, 8, 9
_DESCRIBE_CONFIGS, _ALTER_CONFIGS, _IDEMPOTENT_WRITE = 10, 11, 12

TOPIC_OPERATIONS = _bits([_READ, _WRITE, _CREATE, _DELETE, _ALTER, _DESCRIBE, _DESCRIBE_CONFIGS, _ALTER_CONFIGS])
CLUSTER_OPERATIONS = _bits(
    [_CREATE, _ALTER, _DESCRIBE, _CLUSTER_ACTION, _DESCRIBE_CONFIGS, _ALTER_CONFIGS, _IDEMPOTENT_WRITE]
)
