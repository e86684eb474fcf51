"""Every route as its owner, a stranger, too small a role, and nobody. The list comes from the app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from auth_service.app import create_app

from .support import OTHER_PASSWORD, PASSWORD, SERVICE, Accounts, Person, cheap_settings, code


@dataclass(frozen=True)
class World:
    """Tenant A with a member of each role, and tenant B."""

    owner: Person
    admin: Person
    operator: Person
    viewer: Person
    stranger: Person
    key_id: str
    key: str


@dataclass(frozen=True)
class Case:
    """How a route is called: the role it needs, body and path values, and the status of success."""

    least: str = "viewer"
    body: Callable[[World], Any] | None = None
    ids: Callable[[World], dict[str, Any]] = lambda _: {}
    status: int = 200


def key_id(world: World) -> dict[str, Any]:
    return {"key_id": world.key_id}


def member(world: World) -> dict[str, Any]:
    return {"user_id": world.operator.id}


def session(world: World) -> dict[str, Any]:
    return {"session_id": world.owner.session_id}


def fixed(value: Any) -> Callable[[World], Any]:
    return lambda world: value


CASES: dict[tuple[str, str], Case] = {
    ("GET", "/auth/me"): Case(),
    ("POST", "/auth/logout"): Case(),
    ("POST", "/auth/validate"): Case(body=fixed({})),
    ("POST", "/auth/reauthenticate"): Case(body=fixed({"password": PASSWORD})),
    ("POST", "/auth/verify-email/resend"): Case(),
    ("POST", "/auth/password/change"): Case(
        body=fixed({"current_password": PASSWORD, "new_password": OTHER_PASSWORD})
    ),
    ("GET", "/auth/sessions"): Case(),
    ("DELETE", "/auth/sessions"): Case(),
    ("DELETE", "/auth/sessions/{session_id}"): Case(ids=session),
    ("GET", "/users/profile"): Case(),
    ("PATCH", "/users/profile"): Case(body=fixed({"first_name": "Grace"})),
    ("GET", "/users"): Case(),
    ("PATCH", "/users/{user_id}"): Case("admin", fixed({"role": "viewer"}), member),
    ("DELETE", "/users/{user_id}"): Case("admin", ids=member),
    ("GET", "/tenants/current"): Case(),
    ("PATCH", "/tenants/current"): Case("admin", fixed({"retention_days": 60})),
    ("GET", "/api-keys"): Case("admin"),
    ("POST", "/api-keys"): Case("admin", fixed({"name": "x", "scopes": ["read"]}), status=201),
    ("DELETE", "/api-keys/{key_id}"): Case("admin", ids=key_id),
    ("POST", "/api-keys/{key_id}/rotate"): Case("admin", fixed({}), key_id, 201),
    ("GET", "/audit-log"): Case("admin"),
}
INTERNAL: dict[tuple[str, str], Case] = {
    ("GET", "/internal/users"): Case(),
    ("POST", "/internal/users"): Case(
        body=lambda world: {"tenant_id": str(world.owner.tenant_id), "email": "bob@example.com"}, status=201
    ),
    ("GET", "/internal/tenants/{tenant_id}"): Case(ids=lambda world: {"tenant_id": world.owner.tenant_id}),
    ("POST", "/internal/api-keys/exchange"): Case(body=lambda world: {"key": world.key}),
}
PUBLIC = {
    ("POST", "/auth/register"),
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/verify-email"),
    ("POST", "/auth/password/forgot"),
    ("POST", "/auth/password/reset"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/version"),
    ("GET", "/metrics"),
}
PLATFORM_PREFIX = "/internal/events/"
RANK = ["viewer", "operator", "admin", "owner"]


def routes(app: FastAPI) -> set[tuple[str, str]]:
    paths = app.openapi()["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def test_every_route_has_a_case() -> None:
    listed = routes(create_app(cheap_settings()))
    own = {route for route in listed if not route[1].startswith(PLATFORM_PREFIX)}
    assert own - PUBLIC == CASES.keys() | INTERNAL.keys()
    assert {route for route in listed if route[1].startswith(PLATFORM_PREFIX)}


@pytest.fixture
async def world(accounts: Accounts) -> World:
    owner = await accounts.register()
    made = await accounts.client.post(
        "/api-keys", json={"name": "importer", "scopes": ["admin"]}, headers=owner.headers
    )
    data = made.json()["data"]
    return World(
        owner=owner,
        admin=await accounts.add_member(owner, "admin"),
        operator=await accounts.add_member(owner, "operator"),
        viewer=await accounts.add_member(owner, "viewer"),
        stranger=await accounts.register(),
        key_id=data["api_key"]["id"],
        key=data["key"],
    )


async def call(
    accounts: Accounts, route: tuple[str, str], case: Case, world: World, headers: dict[str, str]
) -> httpx.Response:
    method, path = route
    body = case.body(world) if case.body else None
    return await accounts.client.request(method, path.format(**case.ids(world)), json=body, headers=headers)


@pytest.mark.parametrize("route", sorted(CASES), ids=" ".join)
async def test_route_answers_by_caller(accounts: Accounts, world: World, route: tuple[str, str]) -> None:
    case = CASES[route]
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"X-Service-Key": SERVICE["X-Service-Key"]}):
        nobody = await call(accounts, route, case, world, headers)
        assert (nobody.status_code, code(nobody)) == (401, "UNAUTHORIZED")
    for role in RANK[: RANK.index(case.least)]:
        small = await call(accounts, route, case, world, getattr(world, role).headers)
        assert (small.status_code, code(small)) == (403, "FORBIDDEN")
    before = await checksum(accounts, world.owner.tenant_id)
    foreign = await call(accounts, route, case, world, world.stranger.headers)
    assert foreign.status_code == (404 if "{" in route[1] else case.status), foreign.text
    assert str(world.owner.tenant_id) not in foreign.text
    assert await checksum(accounts, world.owner.tenant_id) == before
    own = await call(accounts, route, case, world, world.owner.headers)
    assert own.status_code == case.status, own.text
    assert own.json()["success"] is True


async def checksum(accounts: Accounts, tenant_id: UUID) -> str:
    """Of every row of a tenant."""
    tables = ["tenant", "member", "session", "one_time_token", "api_key", "audit_log", "outbox"]
    parts = " UNION ALL ".join(
        f"SELECT '{table}' || t::text AS line FROM {table} t WHERE tenant_id = $1" for table in tables
    )
    async with accounts.db.system_tx() as tx:
        return str(
            await tx.fetchval(f"SELECT md5(string_agg(line, '|' ORDER BY line)) FROM ({parts}) x", tenant_id)
        )


@pytest.mark.parametrize("route", sorted(INTERNAL), ids=" ".join)
async def test_internal_route_needs_a_service_key(
    accounts: Accounts, world: World, route: tuple[str, str]
) -> None:
    case = INTERNAL[route]
    for headers in ({}, world.owner.headers, {"X-Service-Key": "wrong"}, {"X-Service-Key": ""}):
        refused = await call(accounts, route, case, world, headers)
        assert (refused.status_code, code(refused)) == (401, "UNAUTHORIZED")
    allowed = await call(accounts, route, case, world, SERVICE)
    assert allowed.status_code == case.status, allowed.text


WITH_BODY = sorted(
    (method, path)
    for method, path in (*CASES, *INTERNAL, *PUBLIC)
    if method in ("POST", "PATCH") and path not in ("/auth/logout", "/auth/verify-email/resend")
)


async def test_bad_bodies_are_answered_with_the_envelope(accounts: Accounts, world: World) -> None:
    headers = world.owner.headers | SERVICE | {"content-type": "application/json"}
    big = b'{"x": "' + b"a" * (1024 * 1024) + b'"}'
    bad: list[tuple[bytes, set[int]]] = [
        (b"{", {400}),
        (b'{"email": "\xff\xfe"}', {400, 422}),
        (b"[1, 2]", {422}),
        (b'"text"', {422}),
        (b'{"unknown_field": 1}', {422}),
        (b'{"email": 1, "password": [], "token": {}, "key": 5, "name": 3, "role": 1}', {422}),
        (big, {413}),
    ]
    for method, path in WITH_BODY:
        url = path.format(user_id=world.operator.id, key_id=world.key_id)
        for content, expected in bad:
            answer = await accounts.client.request(method, url, content=content, headers=headers)
            assert answer.status_code in expected, (method, path, content[:40], answer.text)
            assert code(answer)


@pytest.mark.parametrize("value", ["x", "0", "00000000-0000-0000-0000-000000000000", "%00"])
async def test_odd_ids_are_answered_with_the_envelope(accounts: Accounts, world: World, value: str) -> None:
    for method, path in (("DELETE", "/users/"), ("DELETE", "/api-keys/"), ("DELETE", "/auth/sessions/")):
        answer = await accounts.client.request(method, path + value, headers=world.owner.headers)
        assert answer.status_code in (404, 422)
        assert code(answer) in ("NOT_FOUND", "UNPROCESSABLE")


async def test_tenant_tables_show_nothing_without_a_tenant(accounts: Accounts, world: World) -> None:
    async with accounts.db.plain_tx() as tx:
        for table in ("tenant", "member", "session", "one_time_token", "api_key", "audit_log"):
            assert await tx.fetchval(f"SELECT count(*) FROM {table}") == 0
    async with accounts.db.tenant_tx(world.stranger.tenant_id) as tx:
        for table in ("tenant", "member", "session", "audit_log"):
            rows = await tx.fetch(f"SELECT DISTINCT tenant_id FROM {table}")
            assert [row["tenant_id"] for row in rows] == [world.stranger.tenant_id]
