"""Published keys and their rotation."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import jwt
import pytest

from auth_service.__main__ import rotate_keys
from auth_service.app import create_app
from auth_service.security.access_tokens import generate_key
from auth_service.settings import AuthSettings
from auth_service.signing_keys import service
from auth_service.signing_keys.keyring import KeyRing
from auth_service.signing_keys.rotation import rotate_once
from shared.database import SimpleDatabase
from shared.database.roles import runtime_dsn
from shared.errors import ConfigurationError, UnauthorizedError
from shared.testing import FakeClock, TokenMint
from shared.testing.clients import service_client
from shared.testing.databases import ROLE_SECRET
from shared.utils.tokens import JwksCache, TokenVerifier

from .support import Accounts, CountingHasher, cheap_settings

LEAD = 1200


def kid_of(token: str) -> str:
    kid: str = jwt.get_unverified_header(token)["kid"]
    return kid


async def published(accounts: Accounts) -> list[str]:
    answer = await accounts.client.get("/.well-known/jwks.json")
    return [key["kid"] for key in answer.json()["keys"]]


async def states(db: SimpleDatabase) -> list[str]:
    async with db.plain_tx() as tx:
        rows = await tx.fetch("SELECT state FROM signing_key ORDER BY created_at, activated_at NULLS LAST")
    return [row["state"] for row in rows]


async def test_keys_are_public_and_cached(accounts: Accounts) -> None:
    answer = await accounts.client.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=600"
    (key,) = answer.json()["keys"]
    assert set(key) == {"kty", "crv", "alg", "use", "kid", "x"}
    assert (key["kty"], key["crv"], key["alg"]) == ("OKP", "Ed25519", "EdDSA")
    document = (await accounts.client.get("/.well-known/openid-configuration")).json()
    assert document["issuer"] == "http://localhost:8000"
    assert document["jwks_uri"] == "http://localhost:8000/.well-known/jwks.json"


async def test_tokens_verify_with_the_published_keys_alone(accounts: Accounts) -> None:
    ada = await accounts.register()

    async def fetch() -> dict[str, Any]:
        document: dict[str, Any] = (await accounts.client.get("/.well-known/jwks.json")).json()
        return document

    verifier = TokenVerifier(JwksCache(fetch), "http://localhost:8000", accounts.clock)
    identity = await verifier.identity(ada.access_token)
    assert (identity.user_id, identity.tenant_id, identity.role) == (ada.id, ada.tenant_id, "owner")


async def test_private_keys_are_sealed_at_rest(accounts: Accounts) -> None:
    settings = accounts.auth.settings
    async with accounts.db.plain_tx() as tx:
        row = await tx.fetchrow("SELECT kid, public_x, private_key FROM signing_key")
    assert row is not None
    seed = service.key_box(settings).open(row["private_key"], row["kid"])
    assert len(seed) == 32
    assert seed not in row["private_key"]
    with pytest.raises(ValueError, match="sealed"):
        service.key_box(settings).open(row["private_key"], "another-kid")
    other = settings.model_copy(update={"jwt_secret": type(settings.jwt_secret)("another secret")})
    with pytest.raises(ValueError, match="sealed"):
        service.key_box(other).open(row["private_key"], row["kid"])


async def test_changed_secret_is_named_and_can_be_recovered_from(
    accounts: Accounts, db: SimpleDatabase, mint: TokenMint, clock: FakeClock
) -> None:
    """The service does not start; after new keys it does, and everybody signs in again."""
    ada = await accounts.register()
    changed = cheap_settings(jwt_secret="another installation secret")
    app = create_app(changed, CountingHasher(changed))
    with pytest.raises(ConfigurationError, match="rotate-keys --emergency"):
        async with service_client(app, db, mint, clock):
            pass
    async with db.plain_tx() as tx:
        await service.replace_at_once(tx, changed, clock.now())
    app = create_app(changed, CountingHasher(changed))
    async with service_client(app, db, mint, clock) as client:
        recovered = Accounts(client, app, db, clock)
        assert (await recovered.refresh(ada.refresh_token)).status_code == 401
        assert (await recovered.login(ada.email)).status_code == 200


async def test_kid_belongs_to_the_key() -> None:
    first, second = generate_key(), generate_key()
    assert first.kid != second.kid
    assert len(base64.urlsafe_b64decode(first.public_x + "=")) == 32


async def test_rotation_publishes_before_it_signs_and_after(accounts: Accounts) -> None:
    """pending → active → retiring → retired, with a token of the old key valid until its own end."""
    ada = await accounts.register()
    old = kid_of(ada.access_token)
    accounts.clock.advance(30 * 86400 - LEAD)
    await rotate_once(accounts.auth)
    assert await states(accounts.db) == ["active", "pending"]
    assert len(await published(accounts)) == 2
    waiting = await accounts.signed_in(ada.email)
    assert kid_of(waiting.access_token) == old

    accounts.clock.advance(LEAD - 1)
    await rotate_once(accounts.auth)
    assert await states(accounts.db) == ["active", "pending"]
    last_of_old = await accounts.signed_in(ada.email)
    assert kid_of(last_of_old.access_token) == old

    accounts.clock.advance(1)
    await rotate_once(accounts.auth)
    assert await states(accounts.db) == ["retiring", "active"]
    renewed = await accounts.signed_in(ada.email)
    assert kid_of(renewed.access_token) != old
    assert await accounts.is_valid(last_of_old.access_token)

    accounts.clock.advance(600)
    await rotate_once(accounts.auth)
    assert old in await published(accounts)
    accounts.clock.advance(630)
    await rotate_once(accounts.auth)
    assert await states(accounts.db) == ["retired", "active"]
    assert old not in await published(accounts)


async def test_a_key_that_signs_no_more_keeps_no_private_part(accounts: Accounts) -> None:
    async with accounts.db.plain_tx() as tx:
        await service.begin_rotation(tx, accounts.auth.settings, accounts.clock.now())
    accounts.clock.advance(LEAD)
    await rotate_once(accounts.auth)
    async with accounts.db.plain_tx() as tx:
        rows = await tx.fetch("SELECT state FROM signing_key WHERE private_key IS NOT NULL")
    assert [row["state"] for row in rows] == ["active"]


async def test_emergency_kills_every_access_token_at_once(accounts: Accounts, db: SimpleDatabase) -> None:
    ada = await accounts.register()
    async with db.plain_tx() as tx:
        assert await service.replace_at_once(tx, accounts.auth.settings, accounts.clock.now()) == 1
    accounts.clock.advance(10)
    assert (await accounts.client.get("/auth/me", headers=ada.headers)).status_code == 401
    renewed = await accounts.refresh(ada.refresh_token)
    headers = {"Authorization": f"Bearer {renewed.json()['data']['tokens']['access_token']}"}
    assert (await accounts.client.get("/auth/me", headers=headers)).status_code == 200


async def test_other_services_follow_an_emergency_with_the_first_new_token(accounts: Accounts) -> None:
    """A verifier that meets the new key id fetches again, and forgets the deleted key with that."""
    ada = await accounts.register()

    async def fetch() -> dict[str, Any]:
        return {**await accounts.auth.keyring.jwks()}

    verifier = TokenVerifier(JwksCache(fetch, accounts.clock), "http://localhost:8000", accounts.clock)
    await verifier.identity(ada.access_token)
    async with accounts.db.plain_tx() as tx:
        await service.replace_at_once(tx, accounts.auth.settings, accounts.clock.now())
    accounts.clock.advance(40)
    renewed = await accounts.refresh(ada.refresh_token)
    await verifier.identity(renewed.json()["data"]["tokens"]["access_token"])
    with pytest.raises(UnauthorizedError):
        await verifier.identity(ada.access_token)


async def test_many_processes_make_one_first_key(db: SimpleDatabase, settings: AuthSettings) -> None:
    rings = [KeyRing(db, settings, FakeClock()) for _ in range(6)]
    signers = await asyncio.gather(*(ring.signer() for ring in rings))
    assert len({signer.kid for signer in signers}) == 1
    assert await states(db) == ["active"]


async def test_command_line_rotates(db: SimpleDatabase, settings: AuthSettings, database_dsn: str) -> None:
    url = runtime_dsn(database_dsn, "auth", ROLE_SECRET)
    own = settings.model_copy(update={"database_url": type(settings.jwt_secret)(url)})
    assert await rotate_keys(own, emergency=False) == "create_active, create_pending"
    assert "already waiting" in await rotate_keys(own, emergency=False)
    assert await states(db) == ["active", "pending"]
    assert (await rotate_keys(own, emergency=True)).startswith("2 keys deleted")
    assert await states(db) == ["active"]
