"""CreateAcls: rules of who may do what. They would protect nobody here, and are refused rather than kept for show."""

from __future__ import annotations

from tidings.broker.requests import unsecured
from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.messages.create_acls import AclCreationResult, CreateAclsRequest, CreateAclsResponse


@handles(CreateAclsRequest)
def create_acls(request: CreateAclsRequest, context: Context) -> CreateAclsResponse:
    refused = AclCreationResult(error_code=unsecured.CODE, error_message=unsecured.MESSAGE)
    return CreateAclsResponse(results=[refused] * len(request.creations))
