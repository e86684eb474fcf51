"""What is running, and how many jobs of each kind there are; the rest is the jobs router's."""

from __future__ import annotations

from collections import Counter

from fastapi import APIRouter
from pydantic import BaseModel

from code_service.batch_jobs import repository
from shared.jobs import JobOut
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import CurrentUser, ReadTx, RuntimeDep

router = APIRouter(prefix="/batch-jobs", tags=["jobs"])

_MOST = 200


class JobSummary(BaseModel):
    """Numbers of jobs on record, by status and by type and status."""

    total: int
    by_status: dict[str, int]
    by_type: dict[str, dict[str, int]]


@router.get("/running/status", responses=error_responses(401))
async def running_jobs(user: CurrentUser, tx: ReadTx, rt: RuntimeDep) -> ApiResponse[list[JobOut]]:
    """Jobs that run now, newest first, at most 200."""
    jobs = await rt.jobs.list(tx, user.tenant_id, status="running", limit=_MOST)
    return success_response([JobOut.model_validate(job) for job in jobs])


@router.get("/stats/summary", responses=error_responses(401))
async def job_summary(user: CurrentUser, tx: ReadTx) -> ApiResponse[JobSummary]:
    rows = await repository.counts(tx, user.tenant_id)
    by_status: Counter[str] = Counter()
    by_type: dict[str, dict[str, int]] = {}
    for row in rows:
        by_status[row["status"]] += row["number"]
        by_type.setdefault(row["type"], {})[row["status"]] = row["number"]
    return success_response(JobSummary(total=by_status.total(), by_status=dict(by_status), by_type=by_type))
