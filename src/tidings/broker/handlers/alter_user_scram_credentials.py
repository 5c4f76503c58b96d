"""AlterUserScramCredentials: what is kept of users' passwords for SCRAM is changed or removed (KIP-554).

Each user is answered for on its own, and not at all changed if anything about it is wrong. What is answered is on the
disk. Nobody is asked for a password yet: no listener has authentication.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tidings.broker.access.guards import cluster
from tidings.broker.requests.dispatch import Context, handles
from tidings.security.rights import ALTER_CLUSTER
from tidings.security.scram import check_mechanism, check_user, credential
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from tidings.wire.messages.metadata_records import RemoveUserScramCredentialRecord, UserScramCredentialRecord

Change = ScramCredentialDeletion | ScramCredentialUpsertion


def _refused(
    request: AlterUserScramCredentialsRequest, code: ErrorCode, version: int
) -> AlterUserScramCredentialsResponse:
    changes: list[Change] = [*request.deletions, *request.upsertions]
    users = dict.fromkeys(change.name for change in changes)
    results = [AlterUserScramCredentialsResult(user=user, error_code=code, error_message=None) for user in users]
    return AlterUserScramCredentialsResponse(results=results)


@handles(AlterUserScramCredentialsRequest, access=[cluster(ALTER_CLUSTER)], refused=_refused)
async def alter_user_scram_credentials(
    request: AlterUserScramCredentialsRequest, context: Context
) -> AlterUserScramCredentialsResponse:
    results: dict[str, AlterUserScramCredentialsResult] = {}

    def plan() -> Sequence[Message]:
        changes: list[Change] = [*request.deletions, *request.upsertions]
        times = Counter((change.name, change.mechanism) for change in changes)
        records: list[tuple[str, Message]] = []
        for change in changes:
            result = results.setdefault(
                change.name, AlterUserScramCredentialsResult(user=change.name, error_message=None)
            )
            try:
                if times[change.name, change.mechanism] > 1:
                    message = "A user credential cannot be altered twice in the same request"
                    raise ApiError(ErrorCode.DUPLICATE_RESOURCE, message)
                records.append((change.name, _record(change, context)))
            except ApiError as error:
                result.error_code, result.error_message = error.code, str(error)
        return [record for user, record in records if not results[user].error_code]

    await context.broker.catalog.plan(plan)
    return AlterUserScramCredentialsResponse(results=list(results.values()))


def _record(change: Change, context: Context) -> Message:
    """Raises ApiError."""
    check_user(change.name)
    if isinstance(change, ScramCredentialDeletion):
        check_mechanism(change.mechanism)
        if (change.name, change.mechanism) not in context.broker.catalog.scram:
            message = "Attempt to delete a user credential that does not exist"
            raise ApiError(ErrorCode.RESOURCE_NOT_FOUND, message)
        return RemoveUserScramCredentialRecord(name=change.name, mechanism=change.mechanism)
    made = credential(change.mechanism, change.salt, change.salted_password, change.iterations)
    return UserScramCredentialRecord(
        name=change.name,
        mechanism=change.mechanism,
        salt=made.salt,
        stored_key=made.stored_key,
        server_key=made.server_key,
        iterations=made.iterations,
    )
