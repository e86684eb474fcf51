"""A background task: puts the rows of changed numbers together, so that they stay few to add up."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from campaign_service.stats.rollups import repository
from shared.utils import logger
from shared.web import Runtime

REST_SECONDS = 5.0


async def run(runtime: Runtime, stop: asyncio.Event) -> None:
    """Put together what all tenants changed until `stop`. Any number of processes may do so."""
    while not stop.is_set():
        try:
            await once(runtime)
        except Exception as error:  # noqa: BLE001  # the database may be away: tried again, nothing is lost
            logger.warning("figures could not be put together; trying again", error=error)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), REST_SECONDS)


async def once(runtime: Runtime) -> int:
    """How many rows were put together with others, or found to be the last of their key."""
    rows = 0
    for rollup in repository.ROLLUPS:
        async with runtime.db.system_tx() as tx:
            rows += await repository.fold(tx, rollup, runtime.clock.now())
    return rows
