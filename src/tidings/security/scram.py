"""What is kept of users' passwords for SCRAM (RFC 5802, KIP-554): never the password, nor what it could be told from.

A client sends the salted password; kept are the two keys made of it, with which a password can be checked, and which
are of no use to who would like to know it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from tidings.wire.error_codes import ApiError, ErrorCode

ITERATIONS_MIN = 4096
ITERATIONS_MAX = 16_384


class Mechanism(IntEnum):
    SHA_256 = 1
    SHA_512 = 2

    @property
    def digest(self) -> str:
        """As hashlib names it."""
        return "sha256" if self is Mechanism.SHA_256 else "sha512"


class Credential(NamedTuple):
    salt: bytes
    stored_key: bytes
    server_key: bytes
    iterations: int


class Credentials:
    """Of all users, by name and mechanism."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], Credential] = {}

    def put(self, user: str, mechanism: int, credential: Credential) -> None:
        self._kept[user, mechanism] = credential

    def remove(self, user: str, mechanism: int) -> None:
        self._kept.pop((user, mechanism), None)

    def __contains__(self, of: tuple[str, int]) -> bool:
        return of in self._kept

    def users(self) -> list[str]:
        return sorted({user for user, _ in self._kept})

    def of(self, user: str) -> Iterator[tuple[int, Credential]]:
        for mechanism in Mechanism:
            if (user, mechanism) in self._kept:
                yield mechanism, self._kept[user, mechanism]


def credential(mechanism: int, salt: bytes, salted_password: bytes, iterations: int) -> Credential:
    """What to keep of a salted password. Raises ApiError, worded as Apache Kafka does."""
    digest = check_mechanism(mechanism).digest
    if iterations < ITERATIONS_MIN:
        raise ApiError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Too few iterations")
    if iterations > ITERATIONS_MAX:
        raise ApiError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Too many iterations")
    client_key = hmac.digest(salted_password, b"Client Key", digest)
    stored_key = hashlib.new(digest, client_key).digest()
    return Credential(salt, stored_key, hmac.digest(salted_password, b"Server Key", digest), iterations)


def check_mechanism(mechanism: int) -> Mechanism:
    """Raises ApiError UNSUPPORTED_SASL_MECHANISM."""
    try:
        return Mechanism(mechanism)
    except ValueError:
        raise ApiError(ErrorCode.UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism") from None


def check_user(user: str) -> None:
    """Raises ApiError UNACCEPTABLE_CREDENTIAL."""
    if not user:
        raise ApiError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Username must not be empty")
