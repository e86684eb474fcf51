"""Profile, members, roles and the tenant's settings."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from .support import PASSWORD, SERVICE, Accounts, Person, code

ROLES = ["viewer", "operator", "admin", "owner"]


async def patch(accounts: Accounts, actor: Person, target: Person, **body: Any) -> tuple[int, str]:
    answer = await accounts.client.patch(f"/users/{target.id}", json=body, headers=actor.headers)
    return answer.status_code, "" if answer.status_code == 200 else code(answer)


async def test_profile_is_read_and_changed(accounts: Accounts) -> None:
    ada = await accounts.register()
    changed = await accounts.client.patch(
        "/users/profile", json={"first_name": "Augusta", "language": "fr"}, headers=ada.headers
    )
    assert changed.json()["data"]["first_name"] == "Augusta"
    profile = (await accounts.client.get("/users/profile", headers=ada.headers)).json()["data"]
    assert (profile["first_name"], profile["last_name"], profile["language"]) == ("Augusta", "Byron", "fr")
    assert (await accounts.audit(ada.tenant_id))[-1] == "member.updated"


@pytest.mark.parametrize("body", [{"role": "owner"}, {"first_name": None}, {"email": "x@example.com"}])
async def test_profile_changes_nothing_else(accounts: Accounts, body: dict[str, Any]) -> None:
    viewer = await accounts.add_member(await accounts.register(), "viewer")
    answer = await accounts.client.patch("/users/profile", json=body, headers=viewer.headers)
    assert (answer.status_code, code(answer)) == (422, "UNPROCESSABLE")


async def test_members_are_listed_page_by_page(accounts: Accounts) -> None:
    owner = await accounts.register()
    expected = [str(owner.id)]
    for role in ROLES[:3]:
        accounts.clock.advance(1)
        expected.append(str((await accounts.add_member(owner, role)).id))
    await accounts.register()
    seen: list[str] = []
    cursor = None
    while cursor or not seen:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = (await accounts.client.get("/users", params=params, headers=owner.headers)).json()
        seen += [member["id"] for member in answer["data"]]
        cursor = answer["meta"]["next_cursor"]
    assert seen == expected
    assert "password" not in str(answer)


@pytest.mark.parametrize("actor_role", ["admin", "owner"])
async def test_nobody_acts_above_the_own_role(accounts: Accounts, actor_role: str) -> None:
    owner = await accounts.register()
    actor = owner if actor_role == "owner" else await accounts.add_member(owner, actor_role)
    for target_role, new_role in itertools.product(ROLES, ROLES):
        target = await accounts.add_member(owner, target_role)
        allowed = ROLES.index(actor_role) >= max(ROLES.index(target_role), ROLES.index(new_role))
        expected = (200, "") if allowed else (403, "FORBIDDEN")
        assert await patch(accounts, actor, target, role=new_role) == expected


async def test_changed_role_ends_sessions_that_still_carry_the_old_one(accounts: Accounts) -> None:
    owner = await accounts.register()
    admin = await accounts.add_member(owner, "admin")
    assert await patch(accounts, owner, admin, role="viewer") == (200, "")
    assert not await accounts.is_valid(admin.access_token)
    again = await accounts.signed_in(admin.email)
    assert again.body["user"]["role"] == "viewer"


async def test_last_owner_stays(accounts: Accounts) -> None:
    owner = await accounts.register()
    await accounts.add_member(owner, "admin")
    assert await patch(accounts, owner, owner, role="admin") == (409, "LAST_OWNER")
    assert await patch(accounts, owner, owner, status="disabled") == (409, "LAST_OWNER")
    answer = await accounts.client.delete(f"/users/{owner.id}", headers=owner.headers)
    assert (answer.status_code, code(answer)) == (409, "LAST_OWNER")


async def test_two_owners_cannot_remove_each_other_at_once(accounts: Accounts) -> None:
    first = await accounts.register()
    second = await accounts.add_member(first, "owner")
    answers = await asyncio.gather(
        accounts.client.delete(f"/users/{second.id}", headers=first.headers),
        accounts.client.delete(f"/users/{first.id}", headers=second.headers),
    )
    assert 200 in [answer.status_code for answer in answers]
    async with accounts.db.tenant_tx(first.tenant_id) as tx:
        assert await tx.fetchval("SELECT count(*) FROM member WHERE role = 'owner'") == 1


async def test_disabled_owner_does_not_count(accounts: Accounts) -> None:
    first = await accounts.register()
    second = await accounts.add_member(first, "owner")
    assert await patch(accounts, first, second, status="disabled") == (200, "")
    assert await patch(accounts, first, first, role="viewer") == (409, "LAST_OWNER")
    assert await patch(accounts, first, second, status="active") == (200, "")
    assert (await accounts.login(second.email)).status_code == 200


async def test_removed_member_is_gone_with_sessions_and_keys(accounts: Accounts) -> None:
    owner = await accounts.register()
    admin = await accounts.add_member(owner, "admin")
    body = {"name": "importer", "scopes": ["write"]}
    key = (await accounts.client.post("/api-keys", json=body, headers=admin.headers)).json()["data"]["key"]
    removed = await accounts.client.delete(f"/users/{admin.id}", headers=owner.headers)
    assert removed.status_code == 200
    assert (await accounts.login(admin.email)).status_code == 401
    assert (await accounts.refresh(admin.refresh_token)).status_code == 401
    assert not await accounts.is_valid(admin.access_token)
    exchange = await accounts.client.post("/internal/api-keys/exchange", json={"key": key}, headers=SERVICE)
    assert exchange.status_code == 401
    again = await accounts.client.delete(f"/users/{admin.id}", headers=owner.headers)
    assert again.status_code == 404


async def test_key_of_a_disabled_or_lowered_member_loses_its_power(accounts: Accounts) -> None:
    owner = await accounts.register()
    admin = await accounts.add_member(owner, "admin")
    body = {"name": "importer", "scopes": ["admin"]}
    key = (await accounts.client.post("/api-keys", json=body, headers=admin.headers)).json()["data"]["key"]

    async def scopes() -> Any:
        answer = await accounts.client.post("/internal/api-keys/exchange", json={"key": key}, headers=SERVICE)
        return answer.json()["data"]["scopes"] if answer.status_code == 200 else answer.status_code

    assert await scopes() == ["read", "write", "admin"]
    await patch(accounts, owner, admin, role="operator")
    assert await scopes() == ["read", "write"]
    await patch(accounts, owner, admin, status="disabled")
    assert await scopes() == 401


async def test_settings_of_the_organisation(accounts: Accounts) -> None:
    owner = await accounts.register()
    body = {
        "time_zone": "Europe/Paris",
        "brand_domain": "News.Example.COM",
        "sending_domains": ["mail.example.com", "mail.example.com", "MAIL2.example.com"],
        "retention_days": 90,
    }
    changed = await accounts.client.patch("/tenants/current", json=body, headers=owner.headers)
    data = changed.json()["data"]
    assert (data["time_zone"], data["brand_domain"], data["retention_days"]) == (
        "Europe/Paris",
        "news.example.com",
        90,
    )
    assert data["sending_domains"] == ["mail.example.com", "mail2.example.com"]
    removed = await accounts.client.patch(
        "/tenants/current", json={"brand_domain": None}, headers=owner.headers
    )
    assert removed.json()["data"]["brand_domain"] is None
    read = await accounts.client.get("/tenants/current", headers=owner.headers)
    assert read.json()["data"]["sending_domains"] == ["mail.example.com", "mail2.example.com"]


@pytest.mark.parametrize(
    "body",
    [
        {"time_zone": "Mars/Olympus"},
        {"brand_domain": "not a domain"},
        {"brand_domain": "-x.example.com"},
        {"brand_domain": "localhost"},
        {"sending_domains": ["a.example.com"] * 51},
        {"retention_days": 1},
        {"name": None},
        {"slug": "mine"},
        {"status": "disabled"},
    ],
)
async def test_bad_settings_are_refused(accounts: Accounts, body: dict[str, Any]) -> None:
    owner = await accounts.register()
    answer = await accounts.client.patch("/tenants/current", json=body, headers=owner.headers)
    assert (answer.status_code, code(answer)) == (422, "UNPROCESSABLE")


async def test_services_make_and_find_users(accounts: Accounts) -> None:
    owner = await accounts.register("ada@example.com")
    other = await accounts.register()
    body = {"tenant_id": str(owner.tenant_id), "email": "bob@example.com", "role": "operator"}
    made = await accounts.client.post("/internal/users", json=body, headers=SERVICE)
    assert made.status_code == 201
    assert made.json()["data"]["role"] == "operator"
    twice = await accounts.client.post("/internal/users", json=body, headers=SERVICE)
    assert (twice.status_code, code(twice)) == (409, "EMAIL_ALREADY_EXISTS")
    taken = await accounts.client.post(
        "/internal/users",
        json=body | {"email": "ada@example.com", "tenant_id": str(other.tenant_id)},
        headers=SERVICE,
    )
    assert (taken.status_code, code(taken)) == (409, "EMAIL_ALREADY_EXISTS")
    unknown = await accounts.client.post(
        "/internal/users", json=body | {"tenant_id": str(owner.id)}, headers=SERVICE
    )
    assert unknown.status_code == 404

    async def emails(**params: str) -> list[str]:
        answer = await accounts.client.get("/internal/users", params=params, headers=SERVICE)
        return [user["email"] for user in answer.json()["data"]]

    assert await emails(tenant_id=str(owner.tenant_id)) == ["ada@example.com", "bob@example.com"]
    assert await emails(email="BOB@example.com") == ["bob@example.com"]
    assert len(await emails()) == 3


async def test_member_without_password_sets_one_by_mail(accounts: Accounts) -> None:
    owner = await accounts.register()
    body = {"tenant_id": str(owner.tenant_id), "email": "bob@example.com"}
    await accounts.client.post("/internal/users", json=body, headers=SERVICE)
    assert (await accounts.login("bob@example.com", PASSWORD)).status_code == 401
    await accounts.forgot("bob@example.com")
    token = await accounts.mailed_token("auth.password_reset")
    reset = {"token": token, "new_password": PASSWORD}
    assert (await accounts.client.post("/auth/password/reset", json=reset)).status_code == 200
    assert (await accounts.signed_in("bob@example.com")).body["user"]["email_verified"] is True


async def test_services_read_tenants(accounts: Accounts) -> None:
    owner = await accounts.register(tenant="Northwind")
    found = await accounts.client.get(f"/internal/tenants/{owner.tenant_id}", headers=SERVICE)
    assert found.json()["data"]["name"] == "Northwind"
    missing = await accounts.client.get(f"/internal/tenants/{owner.id}", headers=SERVICE)
    assert missing.status_code == 404
