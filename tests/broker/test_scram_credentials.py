"""Passwords of users, as far as they are kept (KIP-554): set, described, removed; and never given away."""

from __future__ import annotations

import hashlib
import hmac

from tests.broker.client import Client
from tests.broker.conftest import OpenBroker

from tidings.broker.server import Broker
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from tidings.wire.messages.describe_user_scram_credentials import DescribeUserScramCredentialsRequest, UserName

SHA_256, SHA_512 = 1, 2


def password(user: str, mechanism: int = SHA_256, *, iterations: int = 4096) -> ScramCredentialUpsertion:
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", b"salt", 4096)
    return ScramCredentialUpsertion(
        name=user, mechanism=mechanism, iterations=iterations, salt=b"salt", salted_password=salted
    )


async def alter(
    client: Client, *upsertions: ScramCredentialUpsertion, remove: tuple[tuple[str, int], ...] = ()
) -> dict[str, int]:
    deletions = [ScramCredentialDeletion(name=user, mechanism=mechanism) for user, mechanism in remove]
    request = AlterUserScramCredentialsRequest(deletions=deletions, upsertions=list(upsertions))
    return {result.user: result.error_code for result in (await client.ask(request, 0)).results}


async def described(client: Client, *users: str) -> dict[str, tuple[int, list[tuple[int, int]]]]:
    request = DescribeUserScramCredentialsRequest(users=[UserName(name=user) for user in users] or None)
    return {
        result.user: (result.error_code, [(info.mechanism, info.iterations) for info in result.credential_infos])
        for result in (await client.ask(request, 0)).results
    }


async def test_credentials_are_set_described_and_removed_also_over_a_restart(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    async with await Client.connect(broker.address) as client:
        assert await alter(client, password("ada"), password("ada", SHA_512, iterations=8192)) == {"ada": 0}
    await broker.close()
    broker = await open_broker()
    async with await Client.connect(broker.address) as client:
        assert await described(client) == {"ada": (0, [(SHA_256, 4096), (SHA_512, 8192)])}
        assert await alter(client, remove=(("ada", SHA_256),)) == {"ada": 0}
        assert await described(client, "ada", "bob") == {
            "ada": (0, [(SHA_512, 8192)]),
            "bob": (ErrorCode.RESOURCE_NOT_FOUND, []),
        }


async def test_password_can_be_checked_with_what_is_kept_and_not_told_from_it(live: Broker, client: Client) -> None:
    sent = password("ada")
    await alter(client, sent)
    ((_, kept),) = live.catalog.scram.of("ada")
    # RFC 5802: StoredKey = H(HMAC(SaltedPassword, "Client Key"))
    client_key = hmac.digest(sent.salted_password, b"Client Key", "sha256")
    assert kept.stored_key == hashlib.sha256(client_key).digest()
    assert sent.salted_password not in kept


async def test_what_is_wrong_about_a_user_leaves_that_user_as_it_was(live: Broker, client: Client) -> None:
    assert await alter(
        client,
        password("", SHA_256),
        password("few", iterations=4095),
        password("many", iterations=16_385),
        password("odd", 7),
        password("twice"),
        password("twice"),
        password("good"),
        remove=(("nobody", SHA_256),),
    ) == {
        "nobody": ErrorCode.RESOURCE_NOT_FOUND,
        "": ErrorCode.UNACCEPTABLE_CREDENTIAL,
        "few": ErrorCode.UNACCEPTABLE_CREDENTIAL,
        "many": ErrorCode.UNACCEPTABLE_CREDENTIAL,
        "odd": ErrorCode.UNSUPPORTED_SASL_MECHANISM,
        "twice": ErrorCode.DUPLICATE_RESOURCE,
        "good": 0,
    }
    assert list(await described(client)) == ["good"]
