"""The jobs that bring uploaded files of open data in.

Everything is merged in one transaction: an import is there as a whole or not at all, and a run that was
interrupted is simply started again.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from property_service.dvf import repository as sales
from property_service.dvf.importer import Importer
from property_service.dvf.layouts import UnreadableFileError
from property_service.imports import repository
from property_service.imports.service import JOB_TYPES
from property_service.places import repository as places
from property_service.places.laposte import NotLaPosteError, read_places
from property_service.places.service import with_parents
from property_service.settings import settings_of
from shared.database import Tx
from shared.errors import PermanentError
from shared.jobs import JobCancelled, JobContext, Schedule, job

_LOCK_WAIT_SECONDS = 0.25
#: Uploads that no import asks for any more are removed after this time.
_KEEP_SECONDS = 24 * 3600

Merge = Callable[[JobContext, Tx, UUID, list[Path]], Awaitable[dict[str, Any]]]


@asynccontextmanager
async def import_tx(ctx: JobContext) -> AsyncIterator[Tx]:
    """A transaction of the job that is the installation's only import; waits for its turn."""
    while True:
        async with ctx.tx() as tx:
            if await sales.try_lock(tx):
                yield tx
                return
        ctx.check_cancelled()
        await asyncio.sleep(_LOCK_WAIT_SECONDS)


async def _run(ctx: JobContext, merge: Merge) -> dict[str, Any]:
    import_id, paths = UUID(ctx.payload["import_id"]), [Path(path) for path in ctx.payload["paths"]]
    async with ctx.tx() as tx:
        found = await repository.get(tx, tx.tenant, import_id)
        if found is None:
            raise PermanentError("the import is gone")
        if found["status"] == "completed":
            return dict(found["report"])
        await repository.set_status(tx, tx.tenant, import_id, "running")
    try:
        async with import_tx(ctx) as tx:
            report = await merge(ctx, tx, import_id, paths)
            await repository.complete(tx, tx.tenant, import_id, report)
    except JobCancelled:
        await _end(ctx, import_id, paths, "cancelled")
        raise
    except (UnreadableFileError, NotLaPosteError) as error:
        await _end(ctx, import_id, paths, "failed", str(error))
        raise PermanentError(str(error)) from error
    _remove(paths)
    return report


async def _end(
    ctx: JobContext, import_id: UUID, paths: list[Path], status: str, error: str | None = None
) -> None:
    async with ctx.tx() as tx:
        await repository.set_status(tx, tx.tenant, import_id, status, error)
    _remove(paths)


def _remove(paths: list[Path]) -> None:
    """The files, and their import's folder with them."""
    for folder in {path.parent.parent for path in paths}:
        shutil.rmtree(folder, ignore_errors=True)


@job(JOB_TYPES["sales"], max_attempts=3, backoff=5.0)
async def import_properties(ctx: JobContext) -> dict[str, Any]:
    """Read files of sales and merge them. Repeating a finished import changes nothing."""
    return await _run(ctx, _merge_sales)


async def _merge_sales(ctx: JobContext, tx: Tx, import_id: UUID, paths: list[Path]) -> dict[str, Any]:
    async def reject(number: int, name: str, rejections: Sequence[Sequence[Any]]) -> None:
        await repository.reject(tx, tx.tenant, import_id, number, name, rejections)

    importer = Importer(tx, reject, ctx.progress)
    await importer.open()
    for path in paths:
        await importer.read(path)
    return {**importer.counts, "members": importer.members}


@job(JOB_TYPES["cities"], max_attempts=3, backoff=5.0)
async def import_cities(ctx: JobContext) -> dict[str, Any]:
    """Read La Poste's file and bring the communes to what it says."""
    return await _run(ctx, _merge_cities)


async def _merge_cities(ctx: JobContext, tx: Tx, import_id: UUID, paths: list[Path]) -> dict[str, Any]:
    report = dict.fromkeys(("rows", "rejected", "cities", "new", "changed", "unchanged"), 0)
    for number, path in enumerate(paths, start=1):
        found = await asyncio.to_thread(read_places, path)
        cities = with_parents(found.cities)
        await repository.reject(tx, tx.tenant, import_id, number, path.name, found.rejected)
        counts = await places.put(tx, cities, "laposte")
        counts |= {"rows": found.rows, "rejected": len(found.rejected), "cities": len(cities)}
        for name, value in counts.items():
            report[name] += value
        await ctx.progress(report["rows"])
    return report


@job("open-data.sweep", max_attempts=1)
async def sweep_uploads(ctx: JobContext) -> dict[str, Any]:
    """Remove uploaded files whose import has ended without removing them."""
    async with ctx.tx() as tx:
        needed = await repository.unfinished(tx)
    folder = settings_of(ctx.runtime).data_dir / "open-data"
    return {"removed": await asyncio.to_thread(_remove_others, folder, needed)}


def _remove_others(folder: Path, needed: set[str]) -> int:
    before = time.time() - _KEEP_SECONDS
    old = [path for path in folder.glob("*/*") if path.name not in needed and path.stat().st_mtime < before]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return len(old)


JOBS = [import_properties, import_cities, sweep_uploads]
SCHEDULES = [Schedule("open-data.sweep", "03:50", "open-data.sweep")]
