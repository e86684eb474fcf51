"""The job that judges again, some hundred people in a transaction. It goes on where it was interrupted, and
doing a part twice changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from campaign_service.stats.deltas import utc_day
from campaign_service.tracking.rejudging import repository, service
from shared.database import Tx
from shared.jobs import JobAlreadyActive, JobContext, Schedule, job
from shared.web import Runtime

JOB_TYPE = "tracking.recompute_verdicts"
_BATCH = 500
_NIL = UUID(int=0)
_EVERY_SECONDS = 3600
#: Hits as old as this are judged again each time, so that what was heard later is beside them.
_RECENT = timedelta(hours=3)


async def enqueue(
    runtime: Runtime,
    tx: Tx,
    *,
    campaign_id: UUID | None = None,
    since: datetime | None = None,
    created_by: UUID | None = None,
) -> UUID:
    """Have a campaign's hits judged, or all of the tenant's; the job. Raises `JobAlreadyActive`."""
    payload = {
        "campaign_id": str(campaign_id) if campaign_id else None,
        "since": since.isoformat() if since else None,
    }
    found = await runtime.jobs.enqueue(
        tx,
        JOB_TYPE,
        payload,
        tenant_id=tx.tenant,
        unique_key=f"{'recent' if since else 'whole'} {campaign_id or 'all'}",
        created_by=str(created_by) if created_by else None,
    )
    return found.id


@job(JOB_TYPE, max_attempts=5, timeout=6 * 3600.0)
async def recompute_verdicts(ctx: JobContext) -> dict[str, Any]:
    """Judge again what the payload names; how many people were looked at and how many verdicts changed."""
    return await _Rejudging(ctx).run()


@dataclass(frozen=True, slots=True)
class _Place:
    """How far it is: the campaign, and the last contact in it."""

    campaign_id: UUID = _NIL
    contact_id: UUID = _NIL


class _Rejudging:
    def __init__(self, ctx: JobContext) -> None:
        self._ctx = ctx
        since = ctx.payload.get("since")
        self._since = datetime.fromisoformat(since) if since else service.EVER
        before = ctx.job.progress or {}
        self._people = int(before.get("done") or 0)
        self._changed = int(before.get("changed") or 0)
        self._place = _Place(
            UUID(before.get("campaign_id") or _NIL.hex), UUID(before.get("after") or _NIL.hex)
        )

    async def run(self) -> dict[str, Any]:
        async for campaign_id in self._campaigns():
            await self._campaign(campaign_id)
        return {"people": self._people, "changed": self._changed}

    async def _campaigns(self) -> AsyncIterator[UUID]:
        if named := self._ctx.payload.get("campaign_id"):
            yield UUID(named)
            return
        async with self._ctx.tx() as tx:
            ids = await repository.campaigns(tx, tx.tenant, self._place.campaign_id)
        for campaign_id in ids:
            yield campaign_id

    async def _campaign(self, campaign_id: UUID) -> None:
        after = self._place.contact_id if self._place.campaign_id == campaign_id else _NIL
        async with self._ctx.tx() as tx:
            known = await service.crowds(tx, campaign_id, self._since)
        while True:
            async with self._ctx.tx() as tx:
                batch = await repository.people(tx, tx.tenant, campaign_id, self._since, after, _BATCH)
                self._changed += await service.rejudge(tx, campaign_id, batch, self._since, known)
            if not batch:
                return
            after = batch[-1]
            self._people += len(batch)
            await self._ctx.progress(
                self._people, None, changed=self._changed, campaign_id=str(campaign_id), after=str(after)
            )


@job("tracking.recompute_recent", max_attempts=1)
async def recompute_recent(ctx: JobContext) -> dict[str, Any]:
    """Have the hits of the last hours judged again where people were seen: only now some have neighbours."""
    since = ctx.runtime.clock.now() - _RECENT
    async with ctx.tx() as tx:
        found = await repository.recently_hit(tx, utc_day(since))
    for tenant_id, campaign_id in found:
        with suppress(JobAlreadyActive):
            async with ctx.runtime.db.tenant_tx(tenant_id) as tx:
                await enqueue(ctx.runtime, tx, campaign_id=campaign_id, since=since)
    return {"campaigns": len(found)}


JOBS = (recompute_verdicts, recompute_recent)
SCHEDULES = (Schedule("tracking.recompute_recent", _EVERY_SECONDS, recompute_recent.type),)
