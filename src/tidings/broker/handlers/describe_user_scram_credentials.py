"""DescribeUserScramCredentials: which users have passwords kept here, and how often hashed (KIP-554); no keys.

Without users, all of them. `kafka-configs --entity-type users --describe` asks beside the quotas of users.
"""

from __future__ import annotations

from collections import Counter

from tidings.broker.access.guards import cluster
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import DESCRIBE_CLUSTER
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.describe_user_scram_credentials import (
    CredentialInfo,
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
)


@handles(DescribeUserScramCredentialsRequest, access=[cluster(DESCRIBE_CLUSTER)])
def describe_user_scram_credentials(
    request: DescribeUserScramCredentialsRequest, context: Context
) -> DescribeUserScramCredentialsResponse:
    scram = context.broker.catalog.scram
    asked = Counter(user.name for user in request.users or ()) or Counter(scram.users())
    results = []
    for user, times in asked.items():
        infos = [CredentialInfo(mechanism=at, iterations=kept.iterations) for at, kept in scram.of(user)]
        if times > 1:
            message = f"Cannot describe SCRAM credentials for the same user twice in a single request: {user}"
            results.append(_refused(user, ErrorCode.DUPLICATE_RESOURCE, message))
        elif not infos:
            message = f"Attempt to describe a user credential that does not exist: {user}"
            results.append(_refused(user, ErrorCode.RESOURCE_NOT_FOUND, message))
        else:
            results.append(DescribeUserScramCredentialsResult(user=user, error_message=None, credential_infos=infos))
    return DescribeUserScramCredentialsResponse(error_message=None, results=results)


def _refused(user: str, code: ErrorCode, message: str) -> DescribeUserScramCredentialsResult:
    return DescribeUserScramCredentialsResult(user=user, error_code=code, error_message=message)
