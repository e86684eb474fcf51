"""Every route of campaigns and figures: who may call it, and what everyone else is told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from fastapi.routing import APIRoute

from campaign_service.campaigns import routes as campaigns
from campaign_service.campaigns.recipients import routes as recipients
from campaign_service.exports import routes as exports
from campaign_service.stats import routes as stats
from shared.utils import uuid7

from .campaigns_kit import Kit

ROOT = "/api/v2/campaigns/{tenant_id}"
ONE = f"{ROOT}/{{campaign_id}}"
FIGURES = "/api/v2/stats/{tenant_id}"
# Route to (least role, the owner's status on a fresh draft, body).
CASES: dict[str, tuple[str, int, Any]] = {
    "POST /api/v2/campaigns": ("operator", 422, {}),
    f"GET {ROOT}": ("viewer", 200, None),
    f"GET {ONE}": ("viewer", 200, None),
    f"PUT {ONE}": ("operator", 200, {"name": "y"}),
    f"POST {ONE}/duplicate": ("operator", 201, None),
    f"POST {ONE}/send": ("operator", 409, None),
    f"POST {ONE}/schedule": ("operator", 400, None),
    f"POST {ONE}/pause": ("operator", 409, None),
    f"POST {ONE}/resume": ("operator", 409, None),
    f"POST {ONE}/retry-failed": ("operator", 409, None),
    f"POST {ONE}/test": ("operator", 202, {"to": ["me@example.com"]}),
    f"GET {ONE}/audience": ("viewer", 200, None),
    f"GET {ONE}/preview": ("viewer", 200, None),
    f"GET {ONE}/recipients": ("viewer", 200, None),
    f"GET {ONE}/recipients.csv": ("viewer", 200, None),
    f"GET {ONE}/events.csv": ("viewer", 200, None),
    f"GET {ONE}/progress": ("viewer", 200, None),
    f"GET {ONE}/links": ("viewer", 200, None),
    f"POST {ONE}/cancel": ("operator", 200, None),
    f"DELETE {ONE}": ("operator", 200, None),
    f"GET {FIGURES}/contacts": ("viewer", 200, None),
    f"GET {FIGURES}/campaigns": ("viewer", 200, None),
    f"GET {FIGURES}/events": ("viewer", 200, None),
    f"GET {FIGURES}/events.csv": ("viewer", 200, None),
    f"GET {FIGURES}/events/unmatched": ("viewer", 200, None),
    f"GET {FIGURES}/overview": ("viewer", 200, None),
    f"GET {FIGURES}/performance": ("viewer", 200, None),
}


def test_every_route_has_a_case() -> None:
    routes = {
        f"{method} {route.path}"
        for module in (campaigns, exports, recipients, stats)
        for route in module.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert routes == set(CASES)


def split(case: str, tenant: UUID, campaign: str) -> tuple[str, str]:
    method, path = case.split(" ")
    return method, path.format(tenant_id=tenant, campaign_id=campaign)


async def checksum(kit: Kit) -> Any:
    return await kit.fetch(
        "SELECT md5(string_agg(c::text, '' ORDER BY id)) FROM campaign c WHERE tenant_id = $1", kit.tenant
    )


@pytest.mark.parametrize("case", CASES)
async def test_access(kit: Kit, tenant_b: UUID, case: str) -> None:
    role, status, body = CASES[case]
    campaign = await kit.create()
    method, path = split(case, kit.tenant, campaign["id"])
    before = await checksum(kit)

    anonymous = await kit.client.request(method, path, json=body)
    assert (anonymous.status_code, anonymous.json()["error"]["code"]) == (401, "UNAUTHORIZED")
    if "{tenant_id}" in case:
        stranger = kit.headers("owner", tenant_b)
        foreign = await kit.client.request(method, path, json=body, headers=stranger)
        assert (foreign.status_code, foreign.json()["error"]["code"]) == (404, "NOT_FOUND")
        if "{campaign_id}" in case:
            own_path = split(case, tenant_b, campaign["id"])[1]
            through_own = await kit.client.request(method, own_path, json=body, headers=stranger)
            assert through_own.status_code == 404
            missing = split(case, kit.tenant, str(uuid7()))[1]
            assert (await kit.request(method, missing, json=body)).status_code == 404
            garbled = split(case, kit.tenant, "42")[1]
            assert (await kit.request(method, garbled, json=body)).status_code == 422
    if role == "operator":
        viewer = await kit.client.request(method, path, json=body, headers=kit.headers("viewer"))
        assert (viewer.status_code, viewer.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert await checksum(kit) == before

    least = await kit.client.request(
        method, path, json=body, headers=kit.headers("operator" if role == "operator" else "viewer")
    )
    assert least.status_code == status, least.text
