"""Taking jobs in: a plan is made of the request at once, and what makes none is refused at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from code_service.actor import Actor
from code_service.automation import options as plans
from code_service.automation import reports, repository
from code_service.automation.jobs import CREATE, RENAME, UPDATE
from code_service.automation.planning.model import PlanError, PlannedRow
from code_service.automation.schemas import (
    CreateCodesIn,
    CsvDiffIn,
    JobAccepted,
    RenameCodesIn,
    UpdateDiscountIn,
)
from code_service.automation.submission import Inputs, Submission
from code_service.batch_jobs.files import JobFiles
from code_service.settings import settings_of
from shared.database import Tx
from shared.errors import ValidationError
from shared.jobs import Job
from shared.models.responses import ApiResponse, success_response
from shared.web import Runtime

ShopJob = CreateCodesIn | RenameCodesIn | UpdateDiscountIn


class PlanRefusedError(ValidationError):
    """The file and the options make no plan."""

    code = "NO_PLAN"


async def planned(sent: Submission[Any]) -> Submission[Any]:
    """A request for a job at the shop with the job's type and rows; another as it is.

    Raises PlanRefusedError, and ValidationError for a file that is missing.
    """
    if not isinstance(sent.options, ShopJob):
        return sent
    job_type, make = _planner(sent.options, sent.inputs)
    try:
        return replace(sent, job_type=job_type, rows=await asyncio.to_thread(make))
    except PlanError as error:
        message = str(error)
        raise PlanRefusedError(message[:1].upper() + message[1:]) from error


def _planner(options: ShopJob, inputs: Inputs) -> tuple[str, Callable[[], list[PlannedRow]]]:
    if isinstance(options, CreateCodesIn):
        path = inputs.path("file")
        return CREATE, lambda: plans.plan_create(path, plans.create_options(options))
    if isinstance(options, UpdateDiscountIn):
        path = inputs.path("file")
        return UPDATE, lambda: plans.plan_update(path, plans.update_options(options))
    sources = [role for role in ("file", "pairs", "list") if role in inputs.names]
    if len(sources) > 1:
        raise ValidationError(f"Codes come from one file; these are {len(sources)}", field=sources[1])
    path = inputs.path(sources[0] if sources else "file")
    return RENAME, lambda: plans.rename_plan(options, sources[0], path)


async def accept_plan(tx: Tx, rt: Runtime, sent: Submission[Any]) -> ApiResponse[JobAccepted]:
    """Enqueue a job at the shop with its rows."""
    values, rows = sent.options.model_dump(mode="json"), sent.rows
    if values.get("report_only"):
        values["dry_run"] = True
    job = await enqueue(tx, rt, sent.by, sent.job_type, values, sent.inputs)
    await repository.insert(tx, sent.by.tenant_id, job.id, rows)
    await asyncio.to_thread(_report, _files(rt, job), sent.job_type, rows)
    if not values["dry_run"]:
        await repository.mark_waiting(tx, sent.by.tenant_id, job.id, rt.clock.now())
    to_do = sum(row.state == "pending" for row in rows)
    accepted = {"dry_run": values["dry_run"], "rows": len(rows), "to_do": to_do}
    return success_response(JobAccepted(job_id=job.id, type=job.type, status=job.status, **accepted))


def _report(files: JobFiles, job_type: str, rows: Sequence[PlannedRow]) -> None:
    files.save(reports.PLAN, reports.table((row, None) for row in rows))
    if job_type == RENAME:
        files.save(reports.PAIRS, reports.pairs(rows))


async def accept(tx: Tx, rt: Runtime, sent: Submission[Any], job_type: str) -> ApiResponse[JobAccepted]:
    """Enqueue a job that reads its files itself. Raises ValidationError for a file that is missing."""
    for role in ("before", "after") if isinstance(sent.options, CsvDiffIn) else ("file",):
        sent.inputs.path(role)
    job = await enqueue(tx, rt, sent.by, job_type, sent.options.model_dump(mode="json"), sent.inputs)
    return success_response(JobAccepted(job_id=job.id, type=job.type, status=job.status))


async def enqueue(
    tx: Tx, rt: Runtime, by: Actor, job_type: str, options: Mapping[str, Any], inputs: Inputs
) -> Job:
    """Add the job; its files go where it finds them, and are gone again when the request fails."""
    payload = {
        "options": dict(options),
        "inputs": dict(inputs.names),
        "actor": by.name,
        "request_id": by.request_id,
    }
    job = await rt.jobs.enqueue(tx, job_type, payload, tenant_id=by.tenant_id, created_by=by.name)
    await asyncio.to_thread(inputs.hand_over, _files(rt, job))
    return job


def _files(rt: Runtime, job: Job) -> JobFiles:
    assert job.tenant_id is not None, "these jobs are tenants' own"
    return JobFiles(settings_of(rt).data_dir, job.tenant_id, job.id)
