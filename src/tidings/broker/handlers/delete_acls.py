"""DeleteAcls: take back rules of who may do what. There are none; every filter is told that there cannot be."""

from __future__ import annotations

from tidings.broker.requests import unsecured
from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.messages.delete_acls import DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse


@handles(DeleteAclsRequest)
def delete_acls(request: DeleteAclsRequest, context: Context) -> DeleteAclsResponse:
    refused = DeleteAclsFilterResult(error_code=unsecured.CODE, error_message=unsecured.MESSAGE)
    return DeleteAclsResponse(filter_results=[refused] * len(request.filters))
