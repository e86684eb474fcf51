"""The job that brings a file of codes in, step by step; one that was killed goes on after its last step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, TypeAdapter

from code_service.exchange.files import open_table
from code_service.exchange.rows import Defaults, Row, rows_of, split
from code_service.exchange.table import Table, UnreadableFileError
from code_service.generation import repository
from code_service.generation.repository import NewCode
from code_service.settings import settings_of
from shared.database import Tx
from shared.errors import PermanentError
from shared.jobs import JobCancelled, JobContext, Schedule, job

IMPORT = "codes.import"
_CHUNK = 5000
_KEEP_SECONDS = 24 * 3600
_DATE: TypeAdapter[AwareDatetime | None] = TypeAdapter(AwareDatetime | None)
Rejected = tuple[int, str, str, str]


@job(IMPORT, max_attempts=3, backoff=2.0)
async def import_codes(ctx: JobContext) -> dict[str, Any]:
    """Store the codes of a file; rows that cannot be are kept with the reason."""
    batch_id, path = UUID(ctx.payload["batch_id"]), Path(ctx.payload["path"])
    async with ctx.tx() as tx:
        batch = await repository.get_batch(tx, tx.tenant, batch_id)
    if batch is None:
        raise PermanentError("the batch is gone")
    try:
        await _read(ctx, batch_id, path, batch["read_to"])
    except UnreadableFileError as error:
        _remove(path)
        raise PermanentError(str(error)) from error
    except JobCancelled:
        _remove(path)
        raise
    async with ctx.tx() as tx:
        await repository.refresh_statistics(tx)
        done = await repository.get_batch(tx, tx.tenant, batch_id)
    _remove(path)
    assert done is not None, "batches are not deleted"
    return {"batch_id": str(batch_id), "made": done["made"], "rejected": done["rejected"]}


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _read(ctx: JobContext, batch_id: UUID, path: Path, read_to: int) -> None:
    given = ctx.payload["defaults"]
    defaults = Defaults(given["type"], given["pool"], _DATE.validate_python(given["expires_at"]))
    table = await asyncio.to_thread(open_table, path)
    # Closed whatever a thread still reads of it: a job that is cancelled leaves no process behind.
    with table:
        await _take_in(ctx, batch_id, table, defaults, read_to)


async def _take_in(ctx: JobContext, batch_id: UUID, table: Table, defaults: Defaults, read_to: int) -> None:
    rows = (row for row in rows_of(table) if row.line > read_to)
    while chunk := await asyncio.to_thread(_next, rows):
        good, bad = await asyncio.to_thread(split, chunk, defaults)
        async with ctx.tx() as tx:
            await _store(ctx, tx, batch_id, good, bad, chunk)
        await ctx.progress(chunk[-1].line)


def _next(rows: Iterator[Row]) -> list[Row]:
    return list(islice(rows, _CHUNK))


async def _store(
    ctx: JobContext, tx: Tx, batch_id: UUID, good: list[NewCode], bad: list[Rejected], chunk: list[Row]
) -> None:
    by = {"actor": ctx.payload["actor"], "reason": "imported", "request_id": ctx.payload["request_id"]}
    first: dict[str, NewCode] = {}
    for code in good:
        first.setdefault(code.code.upper(), code)
    new = await repository.insert_codes(
        tx, tx.tenant, batch_id, list(first.values()), by, ctx.runtime.clock.now()
    )
    raw = {row.line: row.raw for row in chunk}
    for code in good:
        if first[code.code.upper()] is not code:
            bad.append((code.line, "duplicate", "the file has this code on an earlier line", raw[code.line]))
        elif code.code not in new:
            bad.append((code.line, "exists", "there is such a code already", raw[code.line]))
    await repository.reject(tx, tx.tenant, batch_id, bad)
    read_to = chunk[-1].line
    await repository.advance(tx, tx.tenant, batch_id, made=len(new), rejected=len(bad), read_to=read_to)


@job("codes.import-sweep", max_attempts=1)
async def sweep_uploads(ctx: JobContext) -> dict[str, Any]:
    """Remove uploads of a day ago and older that no job needs any more, and exports that were never sent."""
    async with ctx.tx() as tx:
        needed = await repository.unfinished_imports(tx)
    folder, before = settings_of(ctx.runtime).data_dir, time.time() - _KEEP_SECONDS
    return {"removed": await asyncio.to_thread(_remove_old, folder, needed, before)}


def _remove_old(folder: Path, needed: set[str], before: float) -> int:
    files = [*folder.glob("imports/*/*.upload"), *folder.glob("exports/*.xlsx")]
    old = [path for path in files if path.stem not in needed and path.stat().st_mtime < before]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


JOBS = (import_codes, sweep_uploads)
SCHEDULES = (Schedule("sweep-uploads", "03:35", sweep_uploads.type),)
