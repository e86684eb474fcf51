"""What campaigns do by themselves: start when they are due, and get room for their events."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from campaign_service.campaigns import service
from campaign_service.deliveries import repository as deliveries
from shared.jobs import JobContext, Schedule, job
from shared.web import Runtime

POLL_SECONDS = 1.0


async def run(runtime: Runtime, stop: asyncio.Event) -> None:
    """Start scheduled campaigns when they are due, over all tenants, until `stop`."""
    while not stop.is_set():
        while await start_due(runtime):
            if stop.is_set():
                return
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL_SECONDS)


async def start_due(runtime: Runtime) -> bool:
    """Start one due campaign in a transaction of its own; False when none is due."""
    async with runtime.db.system_tx() as tx:
        return await service.start_next_due(tx, runtime, runtime.clock.now())


@job("campaigns.event-partitions", timeout=300)
async def make_partitions(context: JobContext) -> dict[str, Any]:
    """Make the partitions that the events of the coming months will need."""
    async with context.tx() as tx:
        return {"made": await deliveries.ensure_partitions(tx)}


JOBS = (make_partitions,)
SCHEDULES = (Schedule("event-partitions", "03:10", make_partitions.type),)
