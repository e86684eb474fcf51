"""Sources that are read by themselves."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from campaign_service.sources import repository
from campaign_service.sources.periods import start_one
from campaign_service.sources.service import JOB_TYPE

from .campaigns_kit import Kit
from .sources_kit import Sources

SERVER = {"url": "http://127.0.0.1:9", "secret": "s"}


@pytest.fixture
def sources(kit: Kit) -> Sources:
    return Sources(kit.client, kit.tenant, kit.headers())


async def periodic(sources: Sources, minutes: Any, kind: str = "scraper-pro", **settings: Any) -> Any:
    body = {"name": f"Every {minutes}", "type": kind, "settings": settings, "sync_every_minutes": minutes}
    return await sources.client.post("/api/v2/data-sources", json=body, headers=sources.headers)


async def syncs(kit: Kit) -> int:
    [row] = await kit.fetch(
        "SELECT count(*) AS n FROM job WHERE tenant_id = $1 AND type = $2", kit.tenant, JOB_TYPE
    )
    return int(row["n"])


async def is_due(kit: Kit, source_id: str) -> bool:
    async with kit.db.system_tx() as tx:
        return (kit.tenant, UUID(source_id)) in await repository.due(tx, kit.clock.now(), 10_000)


async def test_a_period_has_one_sync_however_many_processes_there_are(kit: Kit, sources: Sources) -> None:
    answer = await periodic(sources, 15, **SERVER)
    assert answer.status_code == 201, answer.text
    source_id = UUID(answer.json()["data"]["id"])
    assert await is_due(kit, str(source_id))
    tries = [start_one(kit.runtime, kit.tenant, source_id) for _ in range(5)]
    assert sorted(await asyncio.gather(*tries)) == [False] * 4 + [True]
    assert (await syncs(kit), await is_due(kit, str(source_id))) == (1, False)
    found = await sources.get(str(source_id))
    late = datetime.fromisoformat(found["next_sync_at"]) - kit.clock.now()
    assert (found["sync_every_minutes"], late.total_seconds()) == (15, 15 * 60)

    kit.clock.advance(15 * 60)
    # The sync before has not ended: the turn is left out.
    assert not await start_one(kit.runtime, kit.tenant, source_id)
    assert (await syncs(kit), await is_due(kit, str(source_id))) == (1, False)
    await kit.execute("UPDATE job SET status = 'completed' WHERE tenant_id = $1", kit.tenant)
    kit.clock.advance(15 * 60)
    assert await start_one(kit.runtime, kit.tenant, source_id)
    assert await syncs(kit) == 2


async def test_a_period_is_changed_and_taken_away(kit: Kit, sources: Sources) -> None:
    source_id = await sources.create("Fair", "scraper-pro", **SERVER)
    assert not await is_due(kit, source_id)
    changed = await sources.request("PUT", f"/{source_id}", json={"sync_every_minutes": 60})
    assert changed.json()["data"]["sync_every_minutes"] == 60
    assert await is_due(kit, source_id)
    await sources.request("PUT", f"/{source_id}", json={"name": "Fairs"})
    assert (await sources.get(source_id))["sync_every_minutes"] == 60
    gone = await sources.request("PUT", f"/{source_id}", json={"sync_every_minutes": None})
    assert gone.json()["data"]["next_sync_at"] is None
    assert not await is_due(kit, source_id)


async def test_periods_that_make_no_sense_are_refused(sources: Sources) -> None:
    assert (await periodic(sources, 14, **SERVER)).status_code == 422
    assert (await periodic(sources, 60, kind="csv")).status_code == 422
    source_id = await sources.create("By hand", "manual")
    answer = await sources.request("PUT", f"/{source_id}", json={"sync_every_minutes": 60})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "sync_every_minutes")
