"""FindCoordinator: who looks after this group, or this transactional id? With one broker: we do.

v1 asks by type of key (0 group, 1 transaction, since v6 2 share, KIP-932), v4 for several keys at once.
While our own log of groups cannot be used, clients are told to ask again later, so that they do not go round in
circles.
"""

from __future__ import annotations

from tidings.broker.access.guards import inside
from tidings.broker.access.refusals import CODES, MESSAGES
from tidings.broker.requests.advertised import advertised_address
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import CLUSTER_ACTION_CLUSTER, DESCRIBE_GROUP, DESCRIBE_TRANSACTION
from tidings.security.rules import CLUSTER_NAME, ResourceType
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.find_coordinator import Coordinator, FindCoordinatorRequest, FindCoordinatorResponse

GROUP = 0
TRANSACTION = 1
SHARE = 2
SEVERAL_KEYS_SINCE = 4
NOBODY = -1
_RIGHTS = {GROUP: DESCRIBE_GROUP, TRANSACTION: DESCRIBE_TRANSACTION}


@handles(
    FindCoordinatorRequest,
    access=[
        inside(
            DESCRIBE_GROUP,
            DESCRIBE_TRANSACTION,
            CLUSTER_ACTION_CLUSTER,
        )
    ],
)
def find_coordinator(request: FindCoordinatorRequest, context: Context) -> FindCoordinatorResponse:
    if context.api_version >= SEVERAL_KEYS_SINCE:
        found = [_find(key, request.key_type, context) for key in request.coordinator_keys]
        return FindCoordinatorResponse(coordinators=found)
    one = _find(request.key, request.key_type, context)
    return FindCoordinatorResponse(
        error_code=one.error_code,
        error_message=one.error_message,
        node_id=one.node_id,
        host=one.host,
        port=one.port,
    )


def _find(key: str, key_type: int, context: Context) -> Coordinator:
    broker = context.broker
    right = _RIGHTS.get(key_type)
    if right is not None and not context.may(right, key):
        code = CODES[right.resource_type]
        return _nobody(key, code, MESSAGES[code])
    if key_type == SHARE and not context.may(CLUSTER_ACTION_CLUSTER, CLUSTER_NAME):
        return _nobody(key, CODES[ResourceType.CLUSTER], MESSAGES[CODES[ResourceType.CLUSTER]])
    if key_type == SHARE and key.count(":") < 2:
        return _nobody(key, ErrorCode.INVALID_REQUEST, "a share coordinator's key is group:topic id:partition")
    if key_type not in (GROUP, TRANSACTION, SHARE):
        return _nobody(key, ErrorCode.INVALID_REQUEST, f"there is no coordinator for keys of type {key_type} here")
    if key_type == GROUP and not broker.groups.is_available:
        return _nobody(key, ErrorCode.COORDINATOR_NOT_AVAILABLE, "the log of consumer groups cannot be used")
    if key_type == TRANSACTION and not broker.transactions.is_available:
        return _nobody(key, ErrorCode.COORDINATOR_NOT_AVAILABLE, "the log of transactions cannot be used")
    if key_type == SHARE and not broker.share_state.is_available:
        return _nobody(key, ErrorCode.COORDINATOR_NOT_AVAILABLE, "the log of share groups' states cannot be used")
    host, port = advertised_address(context)
    return Coordinator(
        key=key,
        node_id=broker.config.node_id,
        host=host,
        port=port,
        error_code=ErrorCode.NONE,
        error_message=None,
    )


def _nobody(key: str, code: ErrorCode, message: str) -> Coordinator:
    return Coordinator(key=key, node_id=NOBODY, host="", port=NOBODY, error_code=code, error_message=message)
