"""The job that brings an uploaded file into the contacts.

Everything is merged in one transaction, chunk by chunk: an import is there as a whole or not at all, and a
run that was interrupted is simply started again.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from campaign_service.contacts.definitions import service as definitions
from campaign_service.contacts.service import TEXTS
from campaign_service.imports import repository
from campaign_service.imports.merging import Plan, claimed, forget_erased, merge
from campaign_service.imports.process import Chunk, read_file
from campaign_service.imports.reader import UnreadableFileError
from campaign_service.imports.service import JOB_TYPE
from campaign_service.settings import settings_of
from campaign_service.tags import repository as tags
from shared.database import Tx
from shared.errors import PermanentError
from shared.events import new_event
from shared.jobs import JobCancelled, JobContext, Schedule, job

_LOCK_WAIT_SECONDS = 0.25
_MAX_FILE_TAGS = 500
_AT_ONCE = 2
#: From so many new contacts on the planner is told at once, not when autovacuum comes by.
_MANY_ROWS = 1000
#: Uploads that no import asks for any more are removed after this time.
_KEEP_SECONDS = 24 * 3600
_COUNTS = ("total", "created", "updated", "unchanged", "duplicate", "rejected")


@job(JOB_TYPE, max_attempts=3, backoff=5.0)
async def import_contacts(ctx: JobContext) -> dict[str, Any]:
    """Read the file, merge its rows, publish the result. Repeating a finished import changes nothing."""
    import_id = UUID(ctx.payload["import_id"])
    async with ctx.tx() as tx:
        plan = await repository.plan(tx, tx.tenant, import_id)
        if plan is None:
            raise PermanentError("the import is gone")
        if plan["status"] == "completed":
            return {name: plan[name] for name in _COUNTS}
        await repository.set_status(tx, tx.tenant, import_id, "running")
        plan["fields"] = await definitions.of_tenant(tx, tx.tenant)
    path = Path(plan["path"])
    try:
        async with _turn(ctx):
            counts = await _run(ctx, import_id, path, plan)
    except JobCancelled:
        await _end(ctx, import_id, path, "cancelled")
        raise
    except UnreadableFileError as error:
        await _end(ctx, import_id, path, "failed", str(error))
        raise PermanentError(str(error)) from error
    _remove(path)
    return counts


def _turn(ctx: JobContext) -> asyncio.Semaphore:
    """A place among the imports of this process.

    An import holds a connection and shows its progress on a second one, so there must never be as many
    imports as connections.
    """
    turn: asyncio.Semaphore = ctx.runtime.extras.setdefault("imports.turn", asyncio.Semaphore(_AT_ONCE))
    return turn


async def _end(ctx: JobContext, import_id: UUID, path: Path, status: str, error: str | None = None) -> None:
    async with ctx.tx() as tx:
        await repository.set_status(tx, tx.tenant, import_id, status, error)
    _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _run(ctx: JobContext, import_id: UUID, path: Path, plan: dict[str, Any]) -> dict[str, int]:
    async with read_file(path, plan["mapping"] or {}, plan["fields"].rules) as reading:
        while True:
            async with ctx.tx() as tx:
                if await repository.try_lock(tx, tx.tenant):
                    return await _Import(ctx, tx, import_id, plan).run(reading.chunks, reading.head)
            ctx.check_cancelled()
            await asyncio.sleep(_LOCK_WAIT_SECONDS)


class _Import:
    """One import within its transaction."""

    def __init__(self, ctx: JobContext, tx: Tx, import_id: UUID, plan: dict[str, Any]) -> None:
        self._ctx = ctx
        self._tx = tx
        self._id = import_id
        self._plan = plan
        self._merging = Plan(
            import_id,
            plan["default_language"],
            plan["on_conflict"],
            plan["source_id"],
            plan["fields"],
            f"import of {plan['filename']}",
            claimed(plan["consent"]),
            plan["created_by"],
        )
        self._file_tags: set[str] = set()
        self.counts = dict.fromkeys(_COUNTS, 0)

    async def run(self, chunks: Any, head: dict[str, Any]) -> dict[str, int]:
        """Merge all chunks; the counts."""
        await repository.open_staging(self._tx)
        tag_ids = list((await tags.ensure(self._tx, self._tx.tenant, self._plan["tags"])).values())
        has_tags = "tags" in head["columns"]["fields"]
        says_texts = any(key == TEXTS for _, key in head["columns"]["custom"])
        async for chunk in chunks:
            self._ctx.check_cancelled()
            await self._merge(chunk, tag_ids, has_tags=has_tags, says_texts=says_texts)
            await self._ctx.progress(
                chunk.counts["lines"],
                head["lines"],
                rows=chunk.counts["rows"],
                rejected=chunk.counts["rejected"],
            )
        if self.counts["created"] >= _MANY_ROWS:
            await repository.refresh_statistics(self._tx)
        gone = await forget_erased(self._tx, self._id)
        self.counts["created"] -= gone
        self.counts["unchanged"] += gone
        await repository.complete(self._tx, self._tx.tenant, self._id, self.counts)
        await self._publish()
        return self.counts

    async def _merge(self, chunk: Chunk, tag_ids: list[UUID], *, has_tags: bool, says_texts: bool) -> None:
        tx, tenant_id = self._tx, self._tx.tenant
        await repository.reject(tx, tenant_id, self._id, chunk.rejections)
        await repository.stage(tx, chunk.rows)
        merged, refused = await merge(tx, self._merging, says_texts=says_texts)
        if tag_ids:
            await repository.tag_staged(tx, tenant_id, tag_ids)
        if has_tags:
            await self._tag_by_row()
        self._count(merged, len(chunk.rejections) + refused)

    def _count(self, merged: repository.Merged, rejected: int) -> None:
        for name, value in {
            "total": merged.staged + rejected,
            "created": merged.created,
            "updated": merged.updated,
            "unchanged": merged.distinct - merged.created - merged.updated,
            "duplicate": merged.staged - merged.distinct,
            "rejected": rejected,
        }.items():
            self.counts[name] += value

    async def _tag_by_row(self) -> None:
        self._file_tags.update(await repository.staged_tags(self._tx, _MAX_FILE_TAGS + 1))
        if len(self._file_tags) > _MAX_FILE_TAGS:
            raise UnreadableFileError(
                "too_many_tags",
                f"the tags column names more than {_MAX_FILE_TAGS} tags; is it the right column?",
            )
        await tags.ensure(self._tx, self._tx.tenant, sorted(self._file_tags))
        await repository.tag_staged_by_row(self._tx, self._tx.tenant)

    async def _publish(self) -> None:
        data = {
            "import_id": str(self._id),
            "job_id": str(self._ctx.job.id),
            "data_source_id": str(source_id) if (source_id := self._plan["source_id"]) else None,
            "rows": self.counts["total"],
            **{name: self.counts[name] for name in ("created", "updated", "rejected")},
        }
        event = new_event(
            "campaign.contacts.imported.v1", data, tenant_id=self._tx.tenant, subject=str(self._id)
        )
        await self._ctx.runtime.events.publish(self._tx, event)


@job("contacts.import.sweep", max_attempts=1)
async def sweep_uploads(ctx: JobContext) -> dict[str, Any]:
    """Remove uploaded files whose import has ended without removing its file."""
    async with ctx.tx() as tx:
        needed = await repository.unfinished_paths(tx)
    folder = settings_of(ctx.runtime).data_dir / "imports"
    removed = await asyncio.to_thread(_remove_others, folder, needed)
    return {"removed": removed}


def _remove_others(folder: Path, needed: set[str]) -> int:
    before = time.time() - _KEEP_SECONDS
    old = [
        path
        for path in folder.glob("*/*.csv")
        if str(path.resolve()) not in needed and path.stat().st_mtime < before
    ]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


JOBS = [import_contacts, sweep_uploads]
SCHEDULES = [Schedule("contacts.import.sweep", "03:40", "contacts.import.sweep")]
