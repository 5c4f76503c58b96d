"""InitProducerId: an id for an idempotent producer, or the next epoch of a transactional one.

An idempotent producer gets a new id, whatever it calls itself (v3: its last id and epoch). For one with a transactional
id see `coordination.transactions.init_producer_id`.
"""

from __future__ import annotations

import logging

from tidings.broker.requests.dispatch import Context, handles
from tidings.errors import DiskError
from tidings.wire.error_codes import ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

log = logging.getLogger(__name__)

FIRST_EPOCH = 0
NO_EPOCH = -1


@handles(InitProducerIdRequest)
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
