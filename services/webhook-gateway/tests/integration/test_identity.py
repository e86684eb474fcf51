"""Who gets in: tokens, API keys, public paths, ended sessions."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.events import EventBus, new_event
from shared.testing import TokenMint
from shared.testing.plugin import OpenDatabase
from shared.utils.ids import uuid7
from webhook_gateway.identity import repository

from .support import FakeServices, Gateway, StartGateway

CONTACTS = "/api/v2/contacts"


async def test_no_credential_is_401(gateway: Gateway, services: FakeServices) -> None:
    answer = await gateway.http.get(CONTACTS)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "UNAUTHORIZED"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert services.seen == []


async def test_bad_tokens_are_401(
    gateway: Gateway, services: FakeServices, mint: TokenMint, tenant_a: UUID
) -> None:
    good = mint.token(tenant_a)
    now = int(time.time())
    bad = [
        "nonsense",
        "a.b.c",
        good[:-4] + "AAAA",
        TokenMint().token(tenant_a),
        mint.token(tenant_a, aud="other"),
        mint.token(tenant_a, iss="http://elsewhere.test"),
        mint.token(tenant_a, exp=now - 100),
        mint.token(tenant_a, exp=None),
        mint.token(tenant_a, headers={"typ": "JWT"}),
        mint.token(tenant_a, role="king"),  # type: ignore[arg-type]
    ]
    for token in bad:
        answer = await gateway.http.get(CONTACTS, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, token
    assert services.seen == []


async def test_other_authorization_headers_are_401(gateway: Gateway) -> None:
    for value in ("Basic dXNlcjpwYXNz", "Bearer", "Bearer a b", "bearer"):
        answer = await gateway.http.get(CONTACTS, headers={"Authorization": value})
        assert answer.status_code == 401, value


async def test_two_authorization_headers_are_401(
    gateway: Gateway, services: FakeServices, auth: dict[str, str]
) -> None:
    value = auth["Authorization"]
    answer = await gateway.http.get(CONTACTS, headers=[("Authorization", value), ("Authorization", value)])

    assert answer.status_code == 401
    assert services.seen == []


async def test_public_paths_need_no_credential(gateway: Gateway) -> None:
    for method, path in [
        ("POST", "/auth/login"),
        ("POST", "/auth/register"),
        ("POST", "/auth/refresh"),
        ("GET", "/.well-known/jwks.json"),
        ("GET", "/t/o/token"),
        ("POST", "/t/u/token"),
    ]:
        assert (await gateway.http.request(method, path)).status_code == 200, path


async def test_other_auth_paths_need_one(gateway: Gateway) -> None:
    for path in ("/auth/me", "/auth/login/x", "/auth/sessions"):
        assert (await gateway.http.post(path)).status_code == 401


@pytest.mark.parametrize("header", ["X-API-Key", "X-Admin-Key"])
async def test_api_key_becomes_an_access_token(
    gateway: Gateway, services: FakeServices, mint: TokenMint, tenant_a: UUID, header: str
) -> None:
    answer = await gateway.http.get(CONTACTS, headers={header: "good-key"})

    assert answer.status_code == 200
    exchange, request = services.seen
    assert exchange.path == "/internal/api-keys/exchange"
    assert exchange.header("x-service-key")
    assert (request.header("authorization") or "").startswith("Bearer ey")


async def test_many_requests_with_one_key_ask_auth_service_once(
    gateway: Gateway, services: FakeServices
) -> None:
    answers = await asyncio.gather(
        *(gateway.http.get(CONTACTS, headers={"X-API-Key": "good-key"}) for _ in range(20))
    )

    assert {answer.status_code for answer in answers} == {200}
    assert services.exchanges == 1


async def test_unknown_key_is_401_and_asked_for_once(gateway: Gateway, services: FakeServices) -> None:
    for _ in range(3):
        answer = await gateway.http.get(CONTACTS, headers={"X-API-Key": "bad-key"})
        assert answer.status_code == 401
    assert services.exchanges == 1


async def test_key_is_503_while_auth_service_is_down(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH_SERVICE_URL", "http://127.0.0.1:9")
    gateway = await start_gateway()

    answer = await gateway.http.get(CONTACTS, headers={"X-API-Key": "good-key"})

    assert answer.status_code == 503


@pytest.mark.parametrize(("kind", "reason"), [("user", "SESSION_REVOKED"), ("api_key", "KEY_REVOKED")])
async def test_ended_session_is_refused_within_seconds(
    gateway: Gateway, mint: TokenMint, tenant_a: UUID, kind: str, reason: str
) -> None:
    session = uuid7()
    headers = mint.headers(tenant_a, sid=str(session), knd=kind)
    assert (await gateway.http.get(CONTACTS, headers=headers)).status_code == 200

    async with gateway.db.plain_tx() as tx:
        await repository.add_revoked(tx, session, datetime.now(UTC) + timedelta(minutes=10))

    answer = None
    for _ in range(600):
        answer = await gateway.http.get(CONTACTS, headers=headers)
        if answer.status_code == 401:
            break
        await asyncio.sleep(0.1)
    assert answer is not None
    assert answer.json()["error"]["details"] == {"reason": reason}


async def test_guessing_keys_is_slowed_down_and_good_callers_pass(
    gateway: Gateway, auth: dict[str, str]
) -> None:
    answers = [
        await gateway.http.get(CONTACTS, headers={"Authorization": "Bearer guess"}) for _ in range(101)
    ]

    assert {answer.status_code for answer in answers[:100]} == {401}
    assert answers[100].status_code == 429
    assert int(answers[100].headers["retry-after"]) > 0
    assert (await gateway.http.get(CONTACTS, headers=auth)).status_code == 200


async def test_session_ended_at_auth_service_is_refused_here(
    gateway: Gateway, open_database: OpenDatabase, mint: TokenMint, tenant_a: UUID
) -> None:
    session = uuid7()
    headers = mint.headers(tenant_a, sid=str(session))
    auth_db = await open_database("auth")
    bus = EventBus(auth_db, service="auth-service")
    until = datetime.now(UTC) + timedelta(minutes=10)
    event = new_event(
        "auth.session.revoked.v1", {"session_id": session, "expires_at": until}, tenant_id=tenant_a
    )

    await bus.start(consume=False)
    async with auth_db.tenant_tx(tenant_a) as tx:
        await bus.publish(tx, event)
    statuses = []
    for _ in range(600):
        statuses.append((await gateway.http.get(CONTACTS, headers=headers)).status_code)
        if statuses[-1] == 401:
            break
        await asyncio.sleep(0.1)
    await bus.stop()

    assert statuses[-1] == 401
