"""InitProducerId: an id for an idempotent producer. What it calls itself (v3: its last id and epoch) does not matter:
it gets a new one.

Transactions are not there yet. A producer that asks for them gets TRANSACTIONAL_ID_AUTHORIZATION_FAILED, though it is
not quite the reason: it is the one refusal that all clients take for final. COORDINATOR_NOT_AVAILABLE is retried for
ever, and librdkafka retries nearly everything else too (INVALID_REQUEST, UNSUPPORTED_VERSION), so that the program
would hang in `init_transactions` instead of failing.
"""

from __future__ import annotations

import logging

from tidings.broker.dispatch import Context, handles
from tidings.errors import DiskError
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

log = logging.getLogger(__name__)

FIRST_EPOCH = 0
NO_EPOCH = -1


@handles(InitProducerIdRequest)
async def init_producer_id(request: InitProducerIdRequest, context: Context) -> InitProducerIdResponse:
    if request.transactional_id is not None:
        if not request.transactional_id:
            return _refused(ErrorCode.INVALID_REQUEST)
        log.warning("client %s asks for transactions, which this version does not have", context.client_id)
        return _refused(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    try:
        producer_id = await context.broker.producer_ids.next_id()
    except DiskError as error:
        log.error("no producer ids could be claimed: %s", error)
        return _refused(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)  # retried, as in Kafka
    return InitProducerIdResponse(producer_id=producer_id, producer_epoch=FIRST_EPOCH)


def _refused(code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code, producer_epoch=NO_EPOCH)
