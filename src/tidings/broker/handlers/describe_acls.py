"""DescribeAcls: the rules of who may do what that a filter matches, by resource. Without any rule, everybody may."""

from __future__ import annotations

from tidings.broker.access.guards import cluster
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_CLUSTER
from tidings.security.rules import RuleFilter, check_filter
from tidings.wire.messages.describe_acls import (
    AclDescription,
    DescribeAclsRequest,
    DescribeAclsResource,
    DescribeAclsResponse,
)


@handles(DescribeAclsRequest, access=[cluster(DESCRIBE_CLUSTER)])
def describe_acls(request: DescribeAclsRequest, context: Context) -> DescribeAclsResponse:
    wanted = RuleFilter(
        request.resource_type_filter,
        request.resource_name_filter,
        request.pattern_type_filter,
        request.principal_filter,
        request.host_filter,
        request.operation,
        request.permission_type,
    )
    check_filter(wanted)
    resources: dict[tuple[int, str, int], DescribeAclsResource] = {}
    for _, rule in context.broker.access.find(wanted):
        of = rule.resource_type, rule.resource_name, rule.pattern_type
        if of not in resources:
            resources[of] = DescribeAclsResource(resource_type=of[0], resource_name=of[1], pattern_type=of[2])
        told = AclDescription(
            principal=rule.principal, host=rule.host, operation=rule.operation, permission_type=rule.permission
        )
        resources[of].acls.append(told)
    return DescribeAclsResponse(error_message=None, resources=list(resources.values()))
