"""DescribeAcls: the rules of who may do what. Everybody may do everything; there are no rules to show."""

from __future__ import annotations

from tidings.broker.requests import unsecured
from tidings.broker.requests.dispatch import Context, handles
from tidings.wire.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse


@handles(DescribeAclsRequest)
def describe_acls(request: DescribeAclsRequest, context: Context) -> DescribeAclsResponse:
    return DescribeAclsResponse(error_code=unsecured.CODE, error_message=unsecured.MESSAGE)
