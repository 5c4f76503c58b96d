"""InitProducerId: an id for an idempotent producer, or the next epoch of a transactional one.

An idempotent producer gets a new id, whatever it calls itself (v3: its last id and epoch). For one with a transactional
id see `coordination.transactions.init_producer_id`.
"""

from __future__ import annotations

import logging

from tidings.broker.access.guards import Check, refuse
from tidings.broker.requests.dispatch import Context, handles
from tidings.errors import DiskError
from tidings.security.rights import IDEMPOTENT_WRITE_CLUSTER, WRITE_TOPIC, WRITE_TRANSACTION
from tidings.security.rules import CLUSTER_NAME, ResourceType
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

log = logging.getLogger(__name__)

FIRST_EPOCH = 0
NO_EPOCH = -1


_NEEDS = (
    [
        WRITE_TRANSACTION,
        IDEMPOTENT_WRITE_CLUSTER,
        WRITE_TOPIC,
    ],
)


def _may_have_an_id(request: InitProducerIdRequest, context: Context) -> None:
    """Who may write to any topic may do so idempotently (KIP-679)."""
    if request.transactional_id is not None:
        if not context.may(WRITE_TRANSACTION, request.transactional_id):
            raise refuse(ResourceType.TRANSACTIONAL_ID)
        return
    writes_somewhere = context.broker.access.allows_some(context.who, *WRITE_TOPIC)
    if not writes_somewhere and not context.may(IDEMPOTENT_WRITE_CLUSTER, CLUSTER_NAME):
        raise refuse(ResourceType.CLUSTER)


@handles(InitProducerIdRequest, access=[Check(_may_have_an_id, *_NEEDS)])
async def init_producer_id(request: InitProducerIdRequest, context: Context) -> Message:
    if request.transactional_id is not None:
        return await context.broker.transactions.init_producer_id(request, context)
    try:
        producer_id = await context.broker.producer_ids.next_id()
    except DiskError as error:
        log.error("no producer ids could be claimed: %s", error)
        code = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS  # retried, as in Kafka
        return InitProducerIdResponse(error_code=code, producer_epoch=NO_EPOCH)
    return InitProducerIdResponse(producer_id=producer_id, producer_epoch=FIRST_EPOCH)
