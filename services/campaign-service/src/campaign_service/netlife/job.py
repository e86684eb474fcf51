"""The job that collects a portal."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from campaign_service.netlife import importing, repository, service, texting
from campaign_service.netlife.client import NetlifeAPIClient
from campaign_service.netlife.collector import collect
from campaign_service.netlife.contacts import to_csv
from campaign_service.netlife.errors import (
    PortalContractError,
    PortalRefusedError,
    PortalUnavailableError,
)
from campaign_service.netlife.model import Collection
from campaign_service.netlife.schemas import CollectIn
from campaign_service.settings import settings_of
from shared.errors import PermanentError
from shared.jobs import JobContext, Schedule, job

_SEVERAL_HOURS = 3 * 3600.0


@job(service.JOB_TYPE, timeout=_SEVERAL_HOURS, max_attempts=3, backoff=60.0)
async def collect_portal(ctx: JobContext) -> dict[str, Any]:
    """Read the portal, keep the CSV, hand it to the import. Repeating what has ended changes nothing.

    A portal that fails is tried again by the job's own retries; one that refuses is not.
    """
    async with ctx.tx() as tx:
        plan = await repository.collection(tx, tx.tenant, ctx.job.id)
        if plan is None:
            raise PermanentError("the collection is gone")
        if plan["finished_at"] is not None:
            return {"contacts": plan["contacts"]}
        wanted = CollectIn.model_validate(plan["options"])
        try:
            client = await service.client_for(ctx.runtime, tx, wanted.portal)
        except service.PortalNotConfiguredError as error:
            raise PermanentError(error.message) from None
    async with client:
        found = await _read(ctx, client, wanted)
        client.log_final_stats()
        return await _keep(ctx, client, plan, wanted, found)


async def _read(ctx: JobContext, client: NetlifeAPIClient, wanted: CollectIn) -> Collection:
    async def show(done: int, total: int) -> None:
        await ctx.progress(done, total)

    try:
        found = await collect(client, wanted.options(), show)
    except (PortalContractError, PortalRefusedError) as error:
        raise PermanentError(str(error)) from error
    for failure in found.failures[:20]:
        await ctx.log(failure, "error")
    if not found.is_complete and not wanted.allow_partial:
        raise PortalUnavailableError(f"{len(found.failures)} could not be read: {found.failures[0]}")
    return found


async def _keep(
    ctx: JobContext, client: NetlifeAPIClient, plan: dict[str, Any], wanted: CollectIn, found: Collection
) -> dict[str, Any]:
    parts = await asyncio.to_thread(lambda: list(service.csv_parts(to_csv(found.contacts))))
    wish = wanted.import_contacts if found.contacts else None
    place = await _import_file(ctx, found) if wish else None
    summary = client.get_stats_summary()
    figures: dict[str, Any] = {
        "contacts": len(found.contacts),
        "skipped": dict(found.skipped),
        "failures": found.failures,
        "import_id": place[0] if place else None,
        "campaign_id": None,
    }
    statistics = summary | {"start_time": summary["start_time"].isoformat()}
    try:
        async with ctx.tx() as tx:
            await repository.put_parts(tx, tx.tenant, ctx.job.id, parts)
            if place and wish and wanted.sms_campaign:
                figures["campaign_id"] = await texting.draft(tx, ctx.runtime, plan, wanted)
                wish.tags.append(texting.tag_of(plan["id"]))
            if place and wish:
                await importing.enqueue(ctx, tx, place[0], place[1:], plan, wish)
            await repository.finish(tx, tx.tenant, ctx.job.id, figures | {"statistics": statistics})
    except BaseException:
        # Nothing was stored, so nothing will ask for the file.
        if place:
            place[1].unlink(missing_ok=True)
        raise
    ids = {name: str(figures[name]) if figures[name] else None for name in ("import_id", "campaign_id")}
    return figures | ids | {"failures": len(found.failures)}


async def _import_file(ctx: JobContext, found: Collection) -> tuple[UUID, Path, int]:
    assert ctx.tenant_id is not None
    import_id, path = importing.new_place(settings_of(ctx.runtime).data_dir, ctx.tenant_id)
    size = await asyncio.to_thread(importing.write_file, path, found.contacts)
    return import_id, path, size


@job("netlife.sweep", max_attempts=1)
async def sweep_collections(ctx: JobContext) -> dict[str, Any]:
    """Delete what was collected long ago: people's addresses are kept no longer than they are of use."""
    keep = timedelta(days=settings_of(ctx.runtime).netlife_keep_days)
    async with ctx.tx() as tx:
        return {"deleted": await repository.delete_before(tx, ctx.runtime.clock.now() - keep)}


JOBS = [collect_portal, sweep_collections]
SCHEDULES = [Schedule("netlife.sweep", "03:50", "netlife.sweep")]
