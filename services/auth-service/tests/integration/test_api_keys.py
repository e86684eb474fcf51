"""API keys: shown once, at most as strong as their maker, exchanged for short tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt
import pytest

from auth_service.security import api_keys

from .support import SERVICE, Accounts, Person, code


async def make(accounts: Accounts, actor: Person, **body: Any) -> dict[str, Any]:
    answer = await accounts.client.post(
        "/api-keys", json={"name": "importer", "scopes": ["write"]} | body, headers=actor.headers
    )
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def exchange(accounts: Accounts, key: str) -> Any:
    return await accounts.client.post("/internal/api-keys/exchange", json={"key": key}, headers=SERVICE)


async def bearer(accounts: Accounts, key: str) -> dict[str, str]:
    token = (await exchange(accounts, key)).json()["data"]["access_token"]
    return {"Authorization": f"Bearer {token}"}


async def test_key_is_shown_once_and_stored_as_a_digest(accounts: Accounts) -> None:
    ada = await accounts.register()
    made = await make(accounts, ada)
    assert api_keys.is_well_formed(made["key"])
    listed = await accounts.client.get("/api-keys", headers=ada.headers)
    assert listed.json()["data"] == [made["api_key"]]
    assert made["key"] not in listed.text
    assert made["key"].startswith(made["api_key"]["prefix"])
    async with accounts.db.tenant_tx(ada.tenant_id) as tx:
        stored = await tx.fetchrow("SELECT * FROM api_key")
    assert stored is not None
    assert made["key"].encode() not in bytes(stored["key_hash"])
    assert made["key"] not in str(dict(stored))


async def test_exchange_gives_a_short_token_of_the_keys_tenant(accounts: Accounts) -> None:
    ada = await accounts.register()
    made = await make(accounts, ada)
    data = (await exchange(accounts, made["key"])).json()["data"]
    claims = jwt.decode(data["access_token"], options={"verify_signature": False})
    assert data["tenant_id"] == claims["tenant_id"] == str(ada.tenant_id)
    assert data["key_id"] == claims["sub"] == claims["sid"] == made["api_key"]["id"]
    assert (claims["role"], claims["scope"], claims["knd"]) == ("operator", "read write", "api_key")
    assert data["expires_in"] == claims["exp"] - claims["iat"] == 300
    assert data["scopes"] == ["read", "write"]
    headers = {"Authorization": f"Bearer {data['access_token']}"}
    assert (await accounts.client.get("/users", headers=headers)).status_code == 200
    assert (await accounts.client.get("/api-keys", headers=headers)).status_code == 403


async def test_a_key_is_as_proven_as_whoever_made_it(accounts: Accounts) -> None:
    ada = await accounts.register(verify=False)
    made = await make(accounts, ada)

    async def is_proven() -> bool:
        token = (await exchange(accounts, made["key"])).json()["data"]["access_token"]
        return bool(jwt.decode(token, options={"verify_signature": False})["email_verified"])

    assert not await is_proven()
    proof = {"token": await accounts.mailed_token("auth.verify_email", ada.tenant_id)}
    assert (await accounts.client.post("/auth/verify-email", json=proof)).status_code == 200
    assert await is_proven()


async def test_unknown_keys_are_refused(accounts: Accounts) -> None:
    ada = await accounts.register()
    made = await make(accounts, ada)
    for key in ("", "x", api_keys.generate(), made["key"][:-1] + "!", made["key"].lower(), made["key"][8:]):
        answer = await exchange(accounts, key)
        assert (answer.status_code, code(answer)) == (401, "INVALID_API_KEY")


async def test_keys_expire(accounts: Accounts) -> None:
    ada = await accounts.register()
    expires_at = accounts.clock.now() + timedelta(seconds=100)
    made = await make(accounts, ada, expires_at=expires_at.isoformat())
    assert (await exchange(accounts, made["key"])).json()["data"]["expires_in"] == 100
    accounts.clock.advance(100)
    assert (await exchange(accounts, made["key"])).status_code == 401
    past = {"name": "old", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}
    fresh = await accounts.signed_in(ada.email)
    answer = await accounts.client.post("/api-keys", json=past, headers=fresh.headers)
    assert (answer.status_code, code(answer)) == (400, "VALIDATION_ERROR")


async def test_revoked_key_stops_at_once_and_everywhere(accounts: Accounts) -> None:
    ada = await accounts.register()
    made = await make(accounts, ada)
    headers = await bearer(accounts, made["key"])
    path = f"/api-keys/{made['api_key']['id']}"
    assert (await accounts.client.delete(path, headers=ada.headers)).status_code == 200
    assert (await accounts.client.delete(path, headers=ada.headers)).status_code == 200
    assert (await exchange(accounts, made["key"])).status_code == 401
    assert not await accounts.is_valid(headers["Authorization"].removeprefix("Bearer "))
    (revoked,) = await accounts.events("auth.session.revoked.v1")
    assert revoked["session_id"] == made["api_key"]["id"]
    assert (await accounts.audit(ada.tenant_id)).count("api_key.revoked") == 1


async def test_rotation_replaces_the_key(accounts: Accounts) -> None:
    ada = await accounts.register()
    made = await make(accounts, ada)
    path = f"/api-keys/{made['api_key']['id']}/rotate"
    rotated = (await accounts.client.post(path, headers=ada.headers)).json()["data"]
    assert rotated["api_key"]["scopes"] == made["api_key"]["scopes"]
    assert rotated["key"] != made["key"]
    assert (await exchange(accounts, made["key"])).status_code == 401
    assert (await exchange(accounts, rotated["key"])).status_code == 200
    again = await accounts.client.post(path, headers=ada.headers)
    assert (again.status_code, code(again)) == (409, "CONFLICT")


async def test_rotation_can_overlap(accounts: Accounts) -> None:
    ada = await accounts.register()
    made = await make(accounts, ada)
    path = f"/api-keys/{made['api_key']['id']}/rotate"
    rotated = await accounts.client.post(path, json={"overlap_seconds": 60}, headers=ada.headers)
    new = rotated.json()["data"]["key"]
    for key in (made["key"], new):
        assert (await exchange(accounts, key)).status_code == 200
    accounts.clock.advance(60)
    assert (await exchange(accounts, made["key"])).status_code == 401
    assert (await exchange(accounts, new)).status_code == 200


async def test_a_key_cannot_make_a_stronger_key(accounts: Accounts) -> None:
    ada = await accounts.register()
    admin_key = await make(accounts, ada, scopes=["admin"])
    headers = await bearer(accounts, admin_key["key"])
    body = {"name": "child", "scopes": ["admin"]}
    child = await accounts.client.post("/api-keys", json=body, headers=headers)
    assert child.status_code == 201
    assert child.json()["data"]["api_key"]["created_by"] == str(ada.id)
    operator_key = await make(accounts, ada, scopes=["write"])
    answer = await accounts.client.post(
        "/api-keys", json=body, headers=await bearer(accounts, operator_key["key"])
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "change",
    [{"scopes": []}, {"scopes": ["owner"]}, {"scopes": ["read", "everything"]}, {"name": ""}, {"name": None}],
)
async def test_bad_keys_are_refused(accounts: Accounts, change: dict[str, Any]) -> None:
    ada = await accounts.register()
    body = {"name": "importer", "scopes": ["read"]} | change
    answer = await accounts.client.post("/api-keys", json=body, headers=ada.headers)
    assert (answer.status_code, code(answer)) == (422, "UNPROCESSABLE")


async def test_last_use_is_noted_beside_the_request_at_most_once_a_minute(accounts: Accounts) -> None:
    ada = await accounts.register()
    made = await make(accounts, ada)

    async def last_used() -> Any:
        await accounts.auth.usage.flush()
        async with accounts.db.tenant_tx(ada.tenant_id) as tx:
            return await tx.fetchval("SELECT last_used_at FROM api_key")

    assert await last_used() is None
    first = accounts.clock.now()
    await exchange(accounts, made["key"])
    assert await last_used() == first
    accounts.clock.advance(59)
    await exchange(accounts, made["key"])
    assert await last_used() == first
    accounts.clock.advance(1)
    await exchange(accounts, made["key"])
    assert await last_used() == accounts.clock.now()


async def test_exchange_is_for_services_only(accounts: Accounts) -> None:
    ada = await accounts.register()
    made = await make(accounts, ada)
    for headers in ({}, ada.headers, {"X-Service-Key": "wrong"}):
        answer = await accounts.client.post(
            "/internal/api-keys/exchange", json={"key": made["key"]}, headers=headers
        )
        assert answer.status_code == 401
