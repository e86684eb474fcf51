"""The job that reads what is new at a source.

Each page is merged in one transaction with the move of the cursor behind it: wherever a run ends, the next
one goes on with the first page that is not stored.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any
from uuid import UUID

from campaign_service.contacts.definitions import service as definitions
from campaign_service.contacts.service import TEXTS
from campaign_service.imports import repository as imports
from campaign_service.imports.merging import Plan, forget_erased, merge
from campaign_service.settings import settings_of
from campaign_service.sources import repository, service
from campaign_service.sources.client import Patience, SourceClient
from campaign_service.sources.feed import Feed, Page, feed_of
from campaign_service.sources.rows import Converted, convert
from campaign_service.sources.schemas import RemoteSettings
from campaign_service.tags import repository as tags
from shared.database import Tx
from shared.errors import PermanentError
from shared.events import new_event
from shared.jobs import JobCancelled, JobContext, job

_SEVERAL_HOURS = 3 * 3600.0
_LOCK_WAIT_SECONDS = 0.25
_MANY_ROWS = 1000
_MAX_TAGS = 500
_COUNTS = ("total", "created", "updated", "unchanged", "duplicate", "rejected")


@job(service.JOB_TYPE, timeout=_SEVERAL_HOURS, max_attempts=5, backoff=60.0)
async def sync_source(ctx: JobContext) -> dict[str, Any]:
    """Read page after page from the cursor on. A server that fails is tried again by the job's retries."""
    import_id = UUID(ctx.payload["import_id"])
    async with ctx.tx() as tx:
        plan = await repository.plan(tx, tx.tenant, import_id)
        if plan is None:
            raise PermanentError("the source is gone")
        if plan["status"] == "completed":
            return {name: plan[name] for name in _COUNTS}
        await imports.set_status(tx, tx.tenant, import_id, "running")
        plan["fields"] = await definitions.of_tenant(tx, tx.tenant)
    try:
        return await _Sync(ctx, import_id, plan).run()
    except JobCancelled:
        await _end(ctx, import_id, "cancelled")
        raise
    except PermanentError as error:
        await _end(ctx, import_id, "failed", str(error))
        raise


async def _end(ctx: JobContext, import_id: UUID, status: str, error: str | None = None) -> None:
    async with ctx.tx() as tx:
        await imports.set_status(tx, tx.tenant, import_id, status, error)


class _Sync:
    """One run; `counts` go on from those of the runs before."""

    def __init__(self, ctx: JobContext, import_id: UUID, plan: dict[str, Any]) -> None:
        self._ctx = ctx
        self._id = import_id
        self._source: UUID = plan["id"]
        self._cursor: str | None = plan["cursor"]
        self._settings: RemoteSettings = service.parse_settings(plan["type"], plan["settings"])
        self._feed: Feed = feed_of(plan["type"], self._settings)
        self._plan = plan
        self._merging = Plan(
            import_id,
            self._settings.default_language,
            "update",
            self._source,
            plan["fields"],
            f"source {plan['name']}",
            self._settings.consent.model_dump() if self._settings.consent else None,
            plan["created_by"],
        )
        self.counts: dict[str, int] = {name: plan[name] for name in _COUNTS}

    def _client(self) -> SourceClient:
        settings = settings_of(self._ctx.runtime)
        assert self._ctx.tenant_id is not None
        return SourceClient(
            self._feed,
            self._settings,
            service.open_secret(self._ctx.runtime, self._ctx.tenant_id, self._plan),
            private_hosts=settings.provider_private_hosts,
            patience=Patience(backoff=settings.source_backoff_seconds),
            before_request=self._ctx.check_cancelled,
        )

    async def run(self) -> dict[str, int]:
        passed: set[str] = set()
        async with self._client() as client:
            has_more = True
            while has_more:
                page = await client.page(self._cursor)
                has_more = page.has_more and bool(page.items) and page.cursor != self._cursor
                if has_more and page.cursor in passed:
                    raise PermanentError("the source leads in a circle: it names a cursor a second time")
                # The last page names none: it is read again by the next sync, and found unchanged.
                self._cursor = page.cursor or self._cursor
                passed.add(self._cursor or "")
                await self._store(page, is_last=not has_more)
                await self._ctx.progress(self.counts["total"], None, rejected=self.counts["rejected"])
        return self.counts

    async def _store(self, page: Page, *, is_last: bool) -> None:
        first_line = self.counts["total"] + 1
        converted = await asyncio.to_thread(
            convert, page.items, self._feed.mapping, first_line, self._merging.fields.rules
        )
        while True:
            async with self._ctx.tx() as tx:
                if await imports.try_lock(tx, tx.tenant):
                    await self._merge(tx, converted, len(page.items), is_last=is_last)
                    return
            self._ctx.check_cancelled()
            await asyncio.sleep(_LOCK_WAIT_SECONDS)

    async def _merge(self, tx: Tx, converted: Converted, total: int, *, is_last: bool) -> None:
        await imports.reject(tx, tx.tenant, self._id, converted.rejections)
        merged, refused = imports.Merged(0, 0, 0, 0), 0
        if converted.rows:
            merged, refused = await self._merge_rows(tx, converted.rows)
        counts = {
            "total": total,
            "created": merged.created,
            "updated": merged.updated,
            "unchanged": merged.distinct - merged.created - merged.updated,
            "duplicate": merged.staged - merged.distinct + converted.repeated,
            "rejected": len(converted.rejections) + refused,
        }
        await repository.advance(tx, tx.tenant, self._source, self._id, self._cursor, counts)
        after = {name: self.counts[name] + counts[name] for name in _COUNTS}
        if is_last:
            await self._finish(tx, after)
        # Not before everything else went well: a page that is tried again is counted once.
        self.counts = after

    async def _merge_rows(self, tx: Tx, rows: list[bytes]) -> tuple[imports.Merged, int]:
        await imports.open_staging(tx)
        await imports.stage(tx, rows)
        merged, refused = await merge(
            tx, self._merging, says_texts=any(TEXTS.encode() in row for row in rows)
        )
        if self._settings.tags:
            ids = await tags.ensure(tx, tx.tenant, self._settings.tags)
            await imports.tag_staged(tx, tx.tenant, list(ids.values()))
        if named := await imports.staged_tags(tx, _MAX_TAGS + 1):
            if len(named) > _MAX_TAGS:
                raise PermanentError(f"a page of the source names more than {_MAX_TAGS} tags")
            await tags.ensure(tx, tx.tenant, sorted(named))
            await imports.tag_staged_by_row(tx, tx.tenant)
        gone = await forget_erased(tx, self._id)
        return dataclasses.replace(merged, created=merged.created - gone), refused

    async def _finish(self, tx: Tx, counts: dict[str, int]) -> None:
        if counts["created"] >= _MANY_ROWS:
            await imports.refresh_statistics(tx)
        await imports.complete(tx, tx.tenant, self._id, counts)
        await repository.finish(tx, tx.tenant, self._source)
        data = {
            "import_id": str(self._id),
            "job_id": str(self._ctx.job.id),
            "data_source_id": str(self._source),
            "rows": counts["total"],
            **{name: counts[name] for name in ("created", "updated", "rejected")},
        }
        event = new_event("campaign.contacts.imported.v1", data, tenant_id=tx.tenant, subject=str(self._id))
        await self._ctx.runtime.events.publish(tx, event)


JOBS = [sync_source]
