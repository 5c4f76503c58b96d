"""DescribeUserScramCredentials (API key 50)."""

from __future__ import annotations

from tidings.wire.message import INT8, INT16, INT32, STRING, Array, Message, Struct, field


class CredentialInfo(Struct):
    mechanism: int = field(INT8)
    iterations: int = field(INT32)


class DescribeUserScramCredentialsResult(Struct):
    user: str = field(STRING)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable_since=0)
    credential_infos: list[CredentialInfo] = field(Array(CredentialInfo))


class DescribeUserScramCredentialsResponse(Message, versions=(0, 0), flexible_since=0):
    throttle_time_ms: int = field(INT32)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable_since=0)
    results: list[DescribeUserScramCredentialsResult] = field(Array(DescribeUserScramCredentialsResult))


class UserName(Struct):
    name: str = field(STRING)


class DescribeUserScramCredentialsRequest(
    Message, api_key=50, versions=(0, 0), flexible_since=0, response=DescribeUserScramCredentialsResponse
):
    users: list[UserName] | None = field(Array(UserName), nullable_since=0)
