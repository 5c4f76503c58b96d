"""What clients are told about this broker: where to find it, and what they may do with what they asked about."""

from __future__ import annotations

from tidings.broker.requests.dispatch import Context
from tidings.security.rights import DESCRIBE_CLUSTER
from tidings.security.rules import CLUSTER_NAME, ResourceType

_ANY_ADDRESS = {"0.0.0.0", "::", ""}

NOT_ASKED = -0x80000000


def advertised_address(context: Context) -> tuple[str, int]:
    """Host and port that reach us from where this client is.

    Listening on every address names none of them: then it is the one at which the client has just reached us.
    """
    host, port = context.broker.address
    return (context.local_host if host in _ANY_ADDRESS else host), port


def topic_operations(name: str, context: Context) -> int:
    """What this client may do to a topic, as bits."""
    return context.operations(ResourceType.TOPIC, name)


def cluster_operations(context: Context) -> int:
    """What this client may do to the cluster, as bits; nothing, if it may not even describe it."""
    if not context.may(DESCRIBE_CLUSTER, CLUSTER_NAME):
        return 0
    return context.operations(ResourceType.CLUSTER, CLUSTER_NAME)
