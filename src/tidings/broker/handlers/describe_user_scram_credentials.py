"""DescribeUserScramCredentials: which users have passwords kept here (KIP-554). Nobody has.

`kafka-configs --entity-type users --describe` asks for them beside the quotas of users.
"""

from __future__ import annotations

from tidings.broker.access.guards import cluster
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_CLUSTER
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
)


@handles(DescribeUserScramCredentialsRequest, access=[cluster(DESCRIBE_CLUSTER)])
def describe_user_scram_credentials(
    request: DescribeUserScramCredentialsRequest, context: Context
) -> DescribeUserScramCredentialsResponse:
    names = dict.fromkeys(user.name for user in request.users or [])
    return DescribeUserScramCredentialsResponse(error_message=None, results=[_unknown(name) for name in names])


def _unknown(name: str) -> DescribeUserScramCredentialsResult:
    return DescribeUserScramCredentialsResult(
        user=name,
        error_code=ErrorCode.RESOURCE_NOT_FOUND,
        error_message="Attempt to describe a user credential that does not exist: " + name,
    )
