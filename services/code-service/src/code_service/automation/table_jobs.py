"""The jobs that only read files: comparing two exports, and a workbook as CSV."""

from __future__ import annotations

import asyncio
import csv
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from code_service.automation import reports
from code_service.automation.planning.diff import diff_files
from code_service.automation.planning.model import PlanError
from code_service.batch_jobs.files import JobFiles
from code_service.exchange.csv_safety import safe_cell
from code_service.exchange.files import open_table
from code_service.exchange.table import UnreadableFileError
from code_service.settings import settings_of
from shared.errors import PermanentError
from shared.jobs import JobCancelled, JobContext, job

DIFF = "fienta.csv_diff"
CONVERT = "csv.xlsx_to_csv"
CONVERTED = "converted.csv"
_EVERY = 1000
T = TypeVar("T")


@job(DIFF, max_attempts=2)
async def compare(ctx: JobContext) -> dict[str, Any]:
    """Compare two exports; the report is `diff.csv`."""
    files = files_of(ctx)
    before, after = (files.path(ctx.payload["inputs"][role]) for role in ("before", "after"))
    column = ctx.payload["options"]["code_column"]
    try:
        report = await _in_thread(
            ctx, lambda check: diff_files(before, after, code_column=column, check=check)
        )
    except PlanError as error:
        raise PermanentError(str(error)) from error
    await asyncio.to_thread(files.save, reports.DIFF, reports.diff(report))
    shown = report.differences[: reports.SHOWN]
    return {
        **report.counts,
        "columns_added": report.columns_added,
        "columns_removed": report.columns_removed,
        "differences": [{name: getattr(one, name) for name in one.__slots__} for one in shown],
        "artifact": reports.DIFF,
    }


@job(CONVERT, max_attempts=2)
async def convert(ctx: JobContext) -> dict[str, Any]:
    """A sheet as `converted.csv`."""
    files = files_of(ctx)
    source, options = files.path(ctx.payload["inputs"]["file"]), ctx.payload["options"]

    def work(check: Callable[[], None]) -> int:
        with files.writing(CONVERTED) as target:
            return write_csv(
                source,
                target,
                sheet=options["sheet"],
                delimiter=options["delimiter"],
                check=check,
            )

    try:
        rows = await _in_thread(ctx, work)
    except UnreadableFileError as error:
        raise PermanentError(str(error)) from error
    return {"rows": rows, "artifact": CONVERTED}


async def _in_thread(ctx: JobContext, work: Callable[[Callable[[], None]], T]) -> T:
    """Do some work in a thread. It gets a check to call, which raises once the job is to stop, or is late."""
    is_left = threading.Event()

    def check() -> None:
        if is_left.is_set():
            raise JobCancelled
        ctx.check_cancelled()

    try:
        return await asyncio.to_thread(work, check)
    finally:
        is_left.set()


def write_csv(
    source: Path,
    target: Any,
    *,
    sheet: str | None = None,
    delimiter: str = ",",
    check: Callable[[], None] = lambda: None,
) -> int:
    """Write a table to a binary file as UTF-8 with BOM, one row a line; how many rows, the header among them.

    Cells that a spreadsheet would run are made harmless. Raises UnreadableFileError, and what `check` raises.
    """
    rows = 0
    text = io.TextIOWrapper(target, encoding="utf-8-sig", newline="")
    writer = csv.writer(text, delimiter=delimiter)
    with open_table(source, sheet=sheet) as table:
        for _, cells in table:
            if rows % _EVERY == 0:
                check()
            writer.writerow([_safe(cell) for cell in cells])
            rows += 1
    text.flush()
    text.detach()
    return rows


def _safe(cell: str) -> str:
    """A negative number is no formula."""
    try:
        float(cell)
    except ValueError:
        return safe_cell(cell)
    return cell


def files_of(ctx: JobContext) -> JobFiles:
    """The files of a running job."""
    assert ctx.tenant_id is not None, "these jobs are tenants' own"
    return JobFiles(settings_of(ctx.runtime).data_dir, ctx.tenant_id, ctx.job.id)


JOBS = (compare, convert)
