"""The audit log: complete, filtered, and impossible to rewrite."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from .support import OTHER_PASSWORD, Accounts


async def entries(accounts: Accounts, headers: dict[str, str], **params: Any) -> list[dict[str, Any]]:
    answer = await accounts.client.get("/audit-log", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


async def test_entry_says_who_what_when_and_from_where(accounts: Accounts) -> None:
    ada = await accounts.register()
    await accounts.client.patch(
        "/tenants/current",
        json={"time_zone": "Europe/Paris"},
        headers=ada.headers
        | {"x-forwarded-for": "198.51.100.7", "user-agent": "curl/8", "x-request-id": "req-12345678"},
    )
    entry = (await entries(accounts, ada.headers))[0]
    assert entry["action"] == "tenant.updated"
    assert (entry["actor_kind"], entry["actor_id"]) == ("user", str(ada.id))
    assert (entry["target_kind"], entry["target_id"]) == ("tenant", str(ada.tenant_id))
    assert (entry["ip"], entry["user_agent"]) == ("198.51.100.7", "curl/8")
    assert entry["request_id"] == "req-12345678"
    assert entry["changes"] == {"time_zone": {"from": "UTC", "to": "Europe/Paris"}}


async def test_no_secret_reaches_the_log(accounts: Accounts) -> None:
    ada = await accounts.register()
    body = {"name": "importer", "scopes": ["read"]}
    key = (await accounts.client.post("/api-keys", json=body, headers=ada.headers)).json()["data"]["key"]
    await accounts.forgot(ada.email)
    token = await accounts.mailed_token("auth.password_reset")
    reset = {"token": token, "new_password": OTHER_PASSWORD}
    await accounts.client.post("/auth/password/reset", json=reset)
    ada = await accounts.signed_in(ada.email, OTHER_PASSWORD)
    text = str(await entries(accounts, ada.headers, limit=200))
    assert "password.reset" in text
    assert "api_key.created" in text
    for secret in (key, token, OTHER_PASSWORD, ada.refresh_token, ada.access_token):
        assert secret not in text


async def test_log_is_filtered_and_paged(accounts: Accounts) -> None:
    ada = await accounts.register()
    for zone in ("Europe/Paris", "Asia/Tokyo", "UTC"):
        accounts.clock.advance(60)
        await accounts.client.patch("/tenants/current", json={"time_zone": zone}, headers=ada.headers)
    updates = await entries(accounts, ada.headers, action="tenant.updated")
    assert [entry["changes"]["time_zone"]["to"] for entry in updates] == [
        "UTC",
        "Asia/Tokyo",
        "Europe/Paris",
    ]
    middle = updates[1]["at"]
    assert len(await entries(accounts, ada.headers, action="tenant.updated", since=middle)) == 2
    assert len(await entries(accounts, ada.headers, action="tenant.updated", until=middle)) == 1
    assert await entries(accounts, ada.headers, actor_id="nobody") == []
    first = await accounts.client.get("/audit-log", params={"limit": 2}, headers=ada.headers)
    cursor = first.json()["meta"]["next_cursor"]
    rest = await entries(accounts, ada.headers, limit=200, cursor=cursor)
    everything = await entries(accounts, ada.headers, limit=200)
    assert first.json()["data"] + rest == everything


async def test_cursor_of_one_tenant_is_worthless_in_another(accounts: Accounts) -> None:
    ada, eve = await accounts.register(), await accounts.register()
    first = await accounts.client.get("/audit-log", params={"limit": 1}, headers=ada.headers)
    params = {"limit": 1, "cursor": first.json()["meta"]["next_cursor"]}
    answer = await accounts.client.get("/audit-log", params=params, headers=eve.headers)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET action = 'nothing'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "ALTER TABLE audit_log DISABLE ROW LEVEL SECURITY",
        "DROP TABLE audit_log",
    ],
)
async def test_history_cannot_be_rewritten(accounts: Accounts, statement: str) -> None:
    ada = await accounts.register()
    before = await accounts.audit(ada.tenant_id)
    for transaction in (accounts.db.tenant_tx(ada.tenant_id), accounts.db.system_tx()):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction as tx:
                await tx.execute(statement)
    assert await accounts.audit(ada.tenant_id) == before


async def test_failed_change_leaves_no_entry(accounts: Accounts) -> None:
    ada = await accounts.register()
    before = await accounts.audit(ada.tenant_id)
    answer = await accounts.client.patch(f"/users/{ada.id}", json={"role": "viewer"}, headers=ada.headers)
    assert answer.status_code == 409
    assert await accounts.audit(ada.tenant_id) == before
