"""Starting, watching, retrying and clearing away the jobs that serve clients."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from property_service.clients import service as clients
from property_service.processing import repository
from property_service.processing.schemas import JobStatusOut, Order, RetriedOut, Started
from property_service.settings import settings_of
from shared.database import Tx
from shared.errors import NotFoundError
from shared.jobs import Job, JobAlreadyActive
from shared.web import Runtime

PROCESS = "client.process"
IN_PROGRESS = "Job already in progress"
_RETRY_PATIENCE_SECONDS = 20.0
_LOOK_SECONDS = 0.2


async def enqueue(tx: Tx, rt: Runtime, order: Order, created_by: str) -> Job:
    """One job at a time for a client, whatever it is for: raises `JobAlreadyActive` while there is one."""
    payload = order.model_dump(mode="json")
    return await rt.jobs.enqueue(
        tx, PROCESS, payload, tenant_id=tx.tenant, unique_key=str(order.client_id), created_by=created_by
    )


async def start(tx: Tx, rt: Runtime, client_id: UUID, created_by: str) -> Started:
    """Start a report, or answer with the job that is active. `NotFoundError` for a client not served."""
    await clients.get_active(tx, client_id)
    return await _started(tx, rt, Order(client_id=client_id), created_by, "Processing started")


async def add(tx: Tx, rt: Runtime, client_id: UUID, count: int | None, created_by: str) -> Started:
    """Start giving a client further addresses, as many as a report has without `count`; as `start`."""
    client = await clients.get_active(tx, client_id)
    wanted = count or clients.wanted_addresses(client, settings_of(rt))
    order = Order(client_id=client_id, count=wanted)
    return await _started(tx, rt, order, created_by, f"Adding {wanted} addresses")


async def _started(tx: Tx, rt: Runtime, order: Order, created_by: str, message: str) -> Started:
    try:
        job = await enqueue(tx, rt, order, created_by)
    except JobAlreadyActive as active:
        return Started(job_id=active.job_id, client_id=order.client_id, message=IN_PROGRESS)
    return Started(job_id=job.id, client_id=order.client_id, message=message)


def local_today(rt: Runtime, client: Mapping[str, Any]) -> date:
    """Today's date where the client is."""
    return rt.clock.now().astimezone(ZoneInfo(client["time_zone"])).date()


async def status(tx: Tx, job_id: UUID) -> JobStatusOut:
    """`NotFoundError` for a job that is not there."""
    found = await repository.get(tx, tx.tenant, job_id)
    if found is None:
        raise NotFoundError(f"Job {job_id} not found")
    return shown(found)


def shown(row: dict[str, Any]) -> JobStatusOut:
    return JobStatusOut(**row | {"properties_assigned": row["properties_assigned"] or 0})


async def retry(rt: Runtime, tenant_id: UUID, *, force: bool) -> RetriedOut:
    """Run jobs that failed before and whose time has come (`force`: all that wait), and see how they end."""
    async with rt.db.tenant_tx(tenant_id) as tx:
        begun = await repository.hurry(tx, tenant_id, PROCESS, rt.clock.now(), also_not_due=force)
    waiting, counts = dict(begun), RetriedOut(processed=0, failed=0, still_running=0)
    deadline = asyncio.get_running_loop().time() + _RETRY_PATIENCE_SECONDS
    while waiting and asyncio.get_running_loop().time() < deadline:
        await _count_ended(rt, tenant_id, waiting, counts)
        if waiting:
            await asyncio.sleep(_LOOK_SECONDS)
    counts.still_running = len(waiting)
    return counts


async def _count_ended(rt: Runtime, tenant_id: UUID, waiting: dict[UUID, int], counts: RetriedOut) -> None:
    """Take the jobs out of `waiting` that have ended another attempt."""
    async with rt.db.tenant_tx(tenant_id, read_only=True) as tx:
        states = await repository.states(tx, tenant_id, list(waiting))
    for job_id, attempt in list(waiting.items()):
        state, begun = states.get(job_id, ("cancelled", attempt))
        if state == "completed":
            counts.processed += 1
        elif state in ("failed_permanent", "cancelled") or (state == "pending" and begun > attempt):
            counts.failed += 1
        else:
            continue
        del waiting[job_id]


async def clean_up(tx: Tx, rt: Runtime, older_than_days: int) -> int:
    """Delete jobs that ended so many days ago: completed, cancelled, or failed for good."""
    before = rt.clock.now() - timedelta(days=older_than_days)
    return await repository.delete_ended(tx, tx.tenant, before)
