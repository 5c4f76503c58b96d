"""DeleteAcls: take back every rule that a filter matches, and tell which. What is answered is on the disk."""

from __future__ import annotations

from collections.abc import Sequence

from tidings.broker.access.guards import cluster, refused_all
from tidings.broker.access.rule_changes import removed
from tidings.broker.requests.dispatch import Context, handles
from tidings.errors import DiskError
from tidings.security.rights import ALTER_CLUSTER
from tidings.security.rules import Rule, RuleFilter, check_filter
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.delete_acls import (
    DeleteAclsFilter,
    DeleteAclsFilterResult,
    DeleteAclsMatchingAcl,
    DeleteAclsRequest,
    DeleteAclsResponse,
)


@handles(DeleteAclsRequest, access=[cluster(ALTER_CLUSTER)], refused=refused_all("filters", "filter_results"))
async def delete_acls(request: DeleteAclsRequest, context: Context) -> DeleteAclsResponse:
    results = []
    wanted: list[tuple[RuleFilter, DeleteAclsFilterResult]] = []
    for asked in request.filters:
        result = DeleteAclsFilterResult(error_message=None)
        results.append(result)
        rule_filter = _filter(asked)
        try:
            check_filter(rule_filter)
        except ApiError as error:
            result.error_code, result.error_message = error.code, str(error)
        else:
            wanted.append((rule_filter, result))

    def plan() -> Sequence[Message]:
        doomed: dict[bytes, Rule] = {}
        for rule_filter, result in wanted:
            found = dict(context.broker.access.find(rule_filter))
            result.matching_acls = [_told(rule) for rule in found.values()]
            doomed |= found
        return removed(doomed)

    try:
        await context.broker.catalog.plan(plan)
    except DiskError as error:
        for _, result in wanted:
            result.error_code, result.error_message = ErrorCode.KAFKA_STORAGE_ERROR, str(error)
            result.matching_acls = []
    return DeleteAclsResponse(filter_results=results)


def _filter(asked: DeleteAclsFilter) -> RuleFilter:
    return RuleFilter(
        asked.resource_type_filter,
        asked.resource_name_filter,
        asked.pattern_type_filter,
        asked.principal_filter,
        asked.host_filter,
        asked.operation,
        asked.permission_type,
    )


def _told(rule: Rule) -> DeleteAclsMatchingAcl:
    return DeleteAclsMatchingAcl(
        error_message=None,
        resource_type=rule.resource_type,
        resource_name=rule.resource_name,
        pattern_type=rule.pattern_type,
        principal=rule.principal,
        host=rule.host,
        operation=rule.operation,
        permission_type=rule.permission,
    )
