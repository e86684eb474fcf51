"""Every route of every service, tried without a token, as another tenant and with too small a role.

The list of routes comes from the apps: a new route fails here until what it needs is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from shared.testing.identities import TokenMint
from tests.integration.bodies import MESSAGE, SMS_SETTINGS, TEMPLATE, VARIANTS
from tests.integration.portals import PORTAL, credentials
from tests.integration.world import World, build_world, document, make_apps
from tests.simulators.netlife import make_portal

# Routes for people without a token, and why.
PUBLIC = {
    "GET /health": "probes",
    "GET /ready": "probes",
    "GET /version": "probes",
    "POST /auth/register": "makes the first identity",
    "POST /auth/login": "takes a password",
    "POST /auth/refresh": "takes a refresh token",
    "POST /auth/verify-email": "takes a one-time token",
    "POST /auth/password/forgot": "nobody is signed in",
    "POST /auth/password/reset": "takes a one-time token",
    "POST /auth/validate": "takes the token in the body",
    "GET /.well-known/jwks.json": "public keys",
    "GET /.well-known/openid-configuration": "public",
    "GET /t/o/{token}": "tracking, by its own token",
    "GET /t/c/{token}.{index}": "tracking, by its own token",
    "HEAD /t/c/{token}.{index}": "tracking, by its own token",
    "HEAD /t/o/{token}": "tracking, by its own token",
    "GET /t/c/{token}": "what is left of a link",
    "GET /t/h/{token}": "tracking, by its own token",
    "HEAD /t/h/{token}": "tracking, by its own token",
    "GET /t/u/{token}": "unsubscribing, by its own token",
    "HEAD /t/u/{token}": "unsubscribing, by its own token",
    "POST /t/u/{token}": "unsubscribing, by its own token",
    "GET /l/{short_id}": "short links are for everybody",
    "HEAD /l/{short_id}": "short links are for everybody",
    "GET /links/{short_id}/redirect": "short links are for everybody",
    "HEAD /links/{short_id}/redirect": "short links are for everybody",
}
# What a viewer may do besides reading, and why.
VIEWER_MAY = {
    "POST /auth/logout": "own session",
    "POST /auth/reauthenticate": "own session",
    "POST /auth/verify-email/resend": "own address",
    "POST /auth/password/change": "own password",
    "DELETE /auth/sessions": "own sessions",
    "DELETE /auth/sessions/{session_id}": "own sessions",
    "PATCH /users/profile": "own profile",
    "POST /api/v2/templates/{tenant_id}/{template_id}/preview": "reads only",
    "POST /api/v2/contacts/{tenant_id}/segments/preview": "reads only",
}
CAMPAIGN = {"name": "Stolen", "template_id": "00000000-0000-7000-8000-000000000000"}
SEGMENT = {"name": "Stolen", "definition": {"tags_all": []}}
BODIES: dict[str, dict[str, Any]] = {
    "PUT /api/v2/contacts/{tenant_id}/{contact_id}": {"email": "stolen@example.com"},
    "PUT /api/v2/contacts/{tenant_id}/segments/{segment_id}": SEGMENT,
    "POST /api/v2/contacts/{tenant_id}/segments/preview": {"definition": {"tags_all": []}},
    "PUT /api/v2/tags/{tenant_id}/{tag_id}": {"name": "Stolen"},
    "PUT /api/v2/campaigns/{tenant_id}/{campaign_id}": CAMPAIGN,
    "POST /api/v2/campaigns/{tenant_id}/{campaign_id}/variants": VARIANTS,
    "PUT /api/v2/campaigns/{tenant_id}/{campaign_id}/variants": VARIANTS,
    "PUT /api/v2/templates/{tenant_id}/{template_id}": TEMPLATE,
    "POST /api/v2/templates/{tenant_id}/{template_id}/preview": {"language": "en"},
    "POST /api/v2/campaigns/{tenant_id}/{campaign_id}/schedule": {"scheduled_at": "2036-01-01T00:00:00Z"},
    "POST /api/v2/campaigns/{tenant_id}/{campaign_id}/test": {"to": ["me@example.com"]},
    "POST /api/v2/messages/{tenant_id}": MESSAGE,
    "PUT /api/v2/sending/{tenant_id}/sms": SMS_SETTINGS,
    "POST /api/v2/sending/{tenant_id}/domains": {"domain": "stolen.example.com"},
    "POST /api/v2/conversations/{tenant_id}": {"customer_phone": "+12025550144"},
    "POST /api/v2/conversations/{tenant_id}/{conversation_id}/messages": {"body": "stolen"},
    "PATCH /api/v2/conversations/{tenant_id}/{conversation_id}": {"status": "closed"},
    "POST /api/v2/leads/{tenant_id}": {"customer_phone": "+12025550144"},
    "PATCH /api/v2/leads/{tenant_id}/{lead_id}": {"status": "lost"},
    "PUT /api/v2/portals/{tenant_id}/netlife/settings": credentials(make_portal(jobs=1, subjects=1)),
    "POST /api/v2/portals/{tenant_id}/netlife/settings/test": {"portal": PORTAL},
    "POST /api/v2/portals/{tenant_id}/netlife/collect": {"portal": PORTAL},
    "PUT /api/v2/sending/{tenant_id}/warmup": {"plans": []},
    "PUT /api/v2/sending/{tenant_id}/tracking": {"link_trap": True},
    "PATCH /users/{user_id}": {"role": "viewer"},
    "PATCH /webhook-sources/{source_id}": {"name": "stolen"},
    "POST /codes/{code}/rollback": {"reason": "stolen"},
    "PATCH /links/{link_id}": {"title": "stolen"},
    "PATCH /api/client-properties/{client_id}/{address_id}": {"notes": "stolen"},
}


@dataclass(frozen=True)
class Route:
    service: str
    method: str
    path: str

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def url(self, ids: dict[str, str]) -> str:
        own = {
            key.partition("/")[2]: value for key, value in ids.items() if key.startswith(f"{self.service}/")
        }
        return self.path.format(**ids | own)

    @property
    def has_id(self) -> bool:
        return any(part.startswith("{") and part != "{tenant_id}" for part in self.path.split("/"))


def routes_of(world: World) -> Iterator[Route]:
    for service, app in world.apps.items():
        for path, methods in document(app)["paths"].items():
            for method in methods:
                yield Route(service, method.upper(), path)


def guarded(world: World) -> list[Route]:
    return [r for r in routes_of(world) if r.name not in PUBLIC and not r.path.startswith("/internal/")]


async def call(world: World, route: Route, url: str, headers: dict[str, str]) -> httpx.Response:
    body = BODIES.get(route.name, {}) if route.method in ("POST", "PUT", "PATCH") else None
    return await world.clients[route.service].request(route.method, url, json=body, headers=headers)


async def try_all(
    world: World, routes: list[Route], ids: dict[str, str], headers: dict[str, str], expected: int
) -> list[str]:
    """Calls that did not get the expected status."""
    wrong = []
    for route in routes:
        answer = await call(world, route, route.url(ids), headers)
        if answer.status_code != expected:
            wrong.append(f"{route.service} {route.name}: {answer.status_code} {answer.text[:200]}")
    return wrong


async def test_walk(database_dsn: str, mint: TokenMint, tmp_path: Path) -> None:
    async with build_world(database_dsn, mint, tmp_path) as world:
        before = await world.digest(world.a)
        await check_no_token(world)
        await check_internal_routes(world)
        await check_small_role(world)
        await check_other_tenant(world)
        await check_lists(world)
        assert await world.digest(world.a) == before
        await check_owner(world)


async def check_no_token(world: World) -> None:
    """Guarded routes answer 401 without a token and with a broken one."""
    assert await try_all(world, guarded(world), world.a.ids, {}, 401) == []
    broken = {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}
    assert await try_all(world, guarded(world), world.a.ids, broken, 401) == []


async def check_internal_routes(world: World) -> None:
    """Not even an owner gets into `/internal`."""
    internal = [r for r in routes_of(world) if r.path.startswith("/internal/")]
    assert internal
    wrong = await try_all(world, internal, world.a.ids, world.headers(world.a), 401)
    # The gateway has no such path for anybody.
    assert [w for w in wrong if not w.startswith("webhook-gateway") or ": 404 " not in w] == []


async def check_small_role(world: World) -> None:
    writes = [r for r in guarded(world) if r.method != "GET" and r.name not in VIEWER_MAY]
    assert await try_all(world, writes, world.a.ids, world.headers(world.a, "viewer"), 403) == []


async def check_other_tenant(world: World) -> None:
    """Another tenant's path, and another tenant's ids below one's own path, are not there."""
    headers = world.headers(world.b)
    with_tenant = [r for r in guarded(world) if "{tenant_id}" in r.path]
    assert await try_all(world, with_tenant, world.a.ids, headers, 404) == []
    mixed = world.a.ids | {"tenant_id": world.b.ids["tenant_id"]}
    with_id = [r for r in guarded(world) if r.has_id]
    assert await try_all(world, with_id, mixed, headers, 404) == []


async def check_lists(world: World) -> None:
    """Nothing that a list tells one tenant belongs to the other."""
    # Sales are open data: what both were given is in both lists.
    own = set(world.a.ids.values()) - set(world.b.ids.values())
    for route in guarded(world):
        if route.method == "GET" and not route.has_id:
            answer = await call(world, route, route.url(world.b.ids), world.headers(world.b))
            assert answer.status_code == 200, f"{route.name}: {answer.text[:200]}"
            assert not [value for value in own if value in answer.text], route.name


async def check_owner(world: World) -> None:
    """The owner can read everything that the walk knows an id of."""
    for route in guarded(world):
        if route.method == "GET":
            answer = await call(world, route, route.url(world.a.ids), world.headers(world.a))
            assert answer.status_code == 200, f"{route.name}: {answer.text[:200]}"


def test_names_on_the_lists_are_real_routes(tmp_path: Path) -> None:
    world = World(make_apps(tmp_path), {}, TokenMint(), "", None, None)  # type: ignore[arg-type]
    real = {route.name for route in routes_of(world)}
    assert (set(PUBLIC) | set(VIEWER_MAY) | set(BODIES)) - real == set()
