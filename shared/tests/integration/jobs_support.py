"""Runners on a real database, and short ways to enqueue and read jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from shared.database import SimpleDatabase
from shared.events import EventBus
from shared.jobs import Job, JobRunner, JobSpec
from shared.utils import Clock, SystemClock


async def eventually(condition: Callable[[], Awaitable[Any]], seconds: float = 30) -> None:
    """Wait until `condition` holds; the limit only ends a test that hangs."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


def make_runner(
    db: SimpleDatabase, *specs: JobSpec, clock: Clock | None = None, schedules: Any = (), **options: Any
) -> JobRunner:
    clock = clock or SystemClock()
    runtime = SimpleNamespace(
        name="campaign-service", clock=clock, db=db, events=EventBus(db, service="campaign-service")
    )
    runner = JobRunner(db, clock=clock, **{"poll": 0.05, **options})
    runner.bind(runtime, specs, schedules)
    return runner


async def enqueue(runner: JobRunner, db: SimpleDatabase, tenant: UUID, kind: str, **options: Any) -> Job:
    async with db.tenant_tx(tenant) as tx:
        return await runner.enqueue(tx, kind, options.pop("payload", {}), tenant_id=tenant, **options)


async def read(runner: JobRunner, db: SimpleDatabase, job_: Job) -> Job:
    assert job_.tenant_id is not None
    async with db.tenant_tx(job_.tenant_id) as tx:
        return await runner.get(tx, job_.tenant_id, job_.id)
