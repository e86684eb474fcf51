"""A photo portal for the walk over all routes, and a tenant that has collected it."""

from __future__ import annotations

import asyncio
from uuid import UUID

import httpx

from tests.simulators.netlife import Portal, Simulator, make_portal

PORTAL = "nowandforeverphoto"


def small_portal() -> Simulator:
    return Simulator(make_portal(jobs=1, subjects=6))


def credentials(portal: Portal) -> dict[str, str]:
    return {"portal": PORTAL, "username": portal.username, "password": portal.password}


async def collected(campaign: httpx.AsyncClient, tenant_id: UUID, headers: dict[str, str]) -> str:
    """The job of a collection that has ended."""
    base = f"/api/v2/portals/{tenant_id}/netlife"
    await campaign.put(f"{base}/settings", json=credentials(make_portal(jobs=1, subjects=1)), headers=headers)
    answer = await campaign.post(f"{base}/collect", json={"portal": PORTAL}, headers=headers)
    job_id: str = answer.json()["data"]["job_id"]
    for _ in range(1200):
        found = await campaign.get(f"{base}/collect/{job_id}", headers=headers)
        if found.json()["data"]["finished_at"]:
            return job_id
        await asyncio.sleep(0.05)
    raise AssertionError("the portal was not collected")
