"""What is running, how many jobs of each kind there are, and their files; the rest is the jobs router's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, BinaryIO
from uuid import UUID

from fastapi import APIRouter, Path
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from code_service.batch_jobs import repository
from code_service.batch_jobs.files import JobFiles
from code_service.settings import settings_of
from shared.database import Tx
from shared.jobs import JobOut
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import CurrentUser, ReadTx, Runtime, RuntimeDep

router = APIRouter(prefix="/batch-jobs", tags=["jobs"])

_MOST = 200
_CHUNK = 256 * 1024


class JobSummary(BaseModel):
    """Numbers of jobs on record, by status and by type and status."""

    total: int
    by_status: dict[str, int]
    by_type: dict[str, dict[str, int]]


class ArtifactOut(BaseModel):
    """A file that a job was given or has made; `size` in bytes. Its address is `…/artifacts/{name}`."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    content_type: str
    size: int
    created_at: datetime


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


@router.get("/{job_id}/artifacts", responses=error_responses(401, 404, 422))
async def list_artifacts(
    job_id: UUID, user: CurrentUser, tx: ReadTx, rt: RuntimeDep
) -> ApiResponse[list[ArtifactOut]]:
    """The job's files by name, those of a running job as far as they are written."""
    files = await _files(tx, rt, user.tenant_id, job_id)
    found = await asyncio.to_thread(files.list)
    return success_response([ArtifactOut.model_validate(one) for one in found])


@router.get(
    "/{job_id}/artifacts/{artifact}",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/octet-stream": {}}}, **error_responses(401, 404, 422)},
)
async def get_artifact(
    job_id: UUID,
    artifact: Annotated[str, Path(max_length=100, description="The file's name")],
    user: CurrentUser,
    tx: ReadTx,
    rt: RuntimeDep,
) -> StreamingResponse:
    """Download one of the job's files."""
    files = await _files(tx, rt, user.tenant_id, job_id)
    found, file = await asyncio.to_thread(files.open, artifact)
    return StreamingResponse(
        _chunks(file),
        media_type=found.content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{found.name}"',
            "Content-Length": str(found.size),
            # A kept page is another site's: it must never run here.
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
        },
    )


async def _files(tx: Tx, rt: Runtime, tenant_id: UUID, job_id: UUID) -> JobFiles:
    """The files of a job of the tenant's own; NotFoundError for another's."""
    await rt.jobs.get(tx, tenant_id, job_id)
    return JobFiles(settings_of(rt).data_dir, tenant_id, job_id)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
