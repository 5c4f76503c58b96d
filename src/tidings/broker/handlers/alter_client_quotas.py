"""AlterClientQuotas: sets and removes quotas of users, client ids and addresses (KIP-546).

- All that is asked of one entity is done, or nothing of it. An entity that is named twice is refused both times.
- Held to are the rates of bytes, by client id and user; the other quotas are kept and shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tidings.broker.access.guards import cluster, refused_all
from tidings.broker.requests.dispatch import Context, handles
from tidings.coordination.quotas.rules import Entity, check_key, check_value, entity
from tidings.errors import DiskError
from tidings.security.rights import ALTER_CONFIGS_CLUSTER
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasResponse,
    EntryData,
    EntryRequest,
)
from tidings.wire.messages.metadata_records import ClientQuotaRecord, EntityData


@handles(AlterClientQuotasRequest, access=[cluster(ALTER_CONFIGS_CLUSTER)], refused=refused_all("entries"))
async def alter_client_quotas(request: AlterClientQuotasRequest, context: Context) -> AlterClientQuotasResponse:
    times = Counter(_named(asked) for asked in request.entries)
    response = AlterClientQuotasResponse()
    records: list[Message] = []
    for asked in request.entries:
        entry = EntryData(error_message=None, entity=asked.entity)
        try:
            if times[_named(asked)] > 1:
                raise ApiError(ErrorCode.INVALID_REQUEST, "Each entity must appear at most once.")
            records += _planned(asked, context)
        except ApiError as error:
            entry.error_code, entry.error_message = error.code, str(error)
        response.entries.append(entry)
    if records and not request.validate_only:
        try:
            await context.broker.catalog.write(records)
        except DiskError as error:
            _refuse(response, error)
    return response


def _named(asked: EntryRequest) -> frozenset[tuple[str, str | None]]:
    return frozenset((part.entity_type, part.entity_name) for part in asked.entity)


def _planned(asked: EntryRequest, context: Context) -> list[ClientQuotaRecord]:
    """What would be written for one entity. Raises ApiError."""
    of = entity((part.entity_type, part.entity_name) for part in asked.entity)
    parts = [EntityData(entity_type=kind, entity_name=name) for kind, name in of]
    return [
        ClientQuotaRecord(entity=parts, key=key, value=value or 0.0, remove=value is None)
        for key, value in _changes(of, asked, context)
    ]


def _changes(of: Entity, asked: EntryRequest, context: Context) -> Iterator[tuple[str, float | None]]:
    """What differs from what is set; None: to be removed."""
    current = context.broker.catalog.quotas.entries.get(of, {})
    for op in asked.ops:
        check_key(of, op.key)
        if not op.remove:
            check_value(op.key, op.value)
        value = None if op.remove else op.value
        if current.get(op.key) != value:
            yield op.key, value


def _refuse(response: AlterClientQuotasResponse, error: DiskError) -> None:
    for entry in response.entries:
        if not entry.error_code:
            entry.error_code, entry.error_message = ErrorCode.KAFKA_STORAGE_ERROR, str(error)
