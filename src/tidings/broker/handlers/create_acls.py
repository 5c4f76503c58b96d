"""CreateAcls: rules of who may do what (see `security.acl`). Each is kept or refused on its own.

What is answered is on the disk. A rule that is there already is not kept twice.
"""

from __future__ import annotations

from tidings.broker.access.guards import cluster, refused_all
from tidings.broker.access.rule_changes import added
from tidings.broker.requests.dispatch import Context, handles
from tidings.errors import DiskError
from tidings.security.rights import ALTER_CLUSTER
from tidings.security.rules import Rule, check_rule
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.create_acls import AclCreation, AclCreationResult, CreateAclsRequest, CreateAclsResponse


@handles(CreateAclsRequest, access=[cluster(ALTER_CLUSTER)], refused=refused_all("creations", "results"))
async def create_acls(request: CreateAclsRequest, context: Context) -> CreateAclsResponse:
    results = []
    rules = []
    for creation in request.creations:
        result = AclCreationResult(error_message=None)
        results.append(result)
        rule = _rule(creation)
        try:
            check_rule(rule)
        except ApiError as error:
            result.error_code, result.error_message = error.code, str(error)
        else:
            rules.append(rule)
    broker = context.broker
    try:
        await broker.catalog.plan(lambda: added(rules, broker.access))
    except DiskError as error:
        for result in results:
            result.error_code = result.error_code or ErrorCode.KAFKA_STORAGE_ERROR
            result.error_message = result.error_message or str(error)
    return CreateAclsResponse(results=results)


def _rule(creation: AclCreation) -> Rule:
    return Rule(
        creation.resource_type,
        creation.resource_name,
        creation.resource_pattern_type,
        creation.principal,
        creation.host,
        creation.operation,
        creation.permission_type,
    )
