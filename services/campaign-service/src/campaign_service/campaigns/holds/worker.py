"""A background task: lets held recipients go, keeps send windows, chooses winners, fetches codes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from uuid import UUID

from campaign_service.ab import service as ab
from campaign_service.campaigns import repository as campaigns
from campaign_service.campaigns.holds import repository, service
from campaign_service.code_pools import service as code_pools
from shared.utils import logger
from shared.web import Runtime

POLL_SECONDS = 2.0


async def run(runtime: Runtime, stop: asyncio.Event) -> None:
    """Look after the waiting recipients of all tenants until `stop`. Any number of processes may do so."""
    while not stop.is_set():
        more = False
        try:
            more = await once(runtime, stop)
        except Exception as error:  # noqa: BLE001  # the database may be away: tried again, nothing is lost
            logger.warning("waiting recipients could not be looked after; trying again", error=error)
        if not more:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), POLL_SECONDS)


async def once(runtime: Runtime, stop: asyncio.Event | None = None) -> bool:
    """One look at every campaign; True when there is more to do at once."""
    async with runtime.db.system_tx() as tx:
        keys = await repository.campaigns_at_work(tx)
    more = await code_pools.give_back(runtime)
    for tenant_id, campaign_id in keys:
        if stop is not None and stop.is_set():
            return False
        try:
            more = await _look_after(runtime, tenant_id, campaign_id) or more
        except Exception as error:  # noqa: BLE001  # whatever is wrong with one campaign, the others go on
            logger.warning("a campaign could not be looked after", campaign_id=str(campaign_id), error=error)
    return more


async def _look_after(runtime: Runtime, tenant_id: UUID, campaign_id: UUID) -> bool:
    now = runtime.clock.now()
    async with runtime.db.tenant_tx(tenant_id) as tx:
        campaign = await campaigns.get(tx, tenant_id, campaign_id)
        if campaign is None:
            return False
        await ab.advance(tx, campaign, now)
        await service.keep_window(tx, campaign, now)
        more = await service.let_go(tx, campaign, now)
    return await code_pools.fetch(runtime, campaign) or more
