"""DescribeClientQuotas: the quotas of users, client ids and addresses that a filter fits (KIP-546).

`entries` is an empty list where nothing fits, and null only beside an error: Java fails on null otherwise.
"""

from __future__ import annotations

from tidings.broker.access.guards import cluster
from tidings.broker.requests.dispatch import Context, handles
from tidings.coordination.quotas.filters import Component, chosen
from tidings.security.rights import DESCRIBE_CONFIGS_CLUSTER
from tidings.wire.error_codes import ApiError
from tidings.wire.messages.describe_client_quotas import (
    DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
    EntityData,
    EntryData,
    ValueData,
)


@handles(DescribeClientQuotasRequest, access=[cluster(DESCRIBE_CONFIGS_CLUSTER)])
def describe_client_quotas(request: DescribeClientQuotasRequest, context: Context) -> DescribeClientQuotasResponse:
    quotas = context.broker.catalog.quotas.entries
    components = [Component(asked.entity_type, asked.match_type, asked.match) for asked in request.components]
    try:
        found = list(chosen(quotas, components, strict=request.strict))
    except ApiError as error:
        return DescribeClientQuotasResponse(error_code=error.code, error_message=str(error), entries=None)
    entries = [
        EntryData(
            entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in of],
            values=[ValueData(key=key, value=value) for key, value in quotas[of].items()],
        )
        for of in found
    ]
    return DescribeClientQuotasResponse(error_message=None, entries=entries)
