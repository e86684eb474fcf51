"""Background jobs: the table is the only truth, workers claim from it by lease."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from shared.errors import PermanentError
from shared.jobs.children import ChildResult
from shared.jobs.context import JobContext
from shared.jobs.models import (
    Job,
    JobAlreadyActive,
    JobCancelled,
    JobFinished,
    JobOut,
    JobPostponed,
    JobSpec,
    LeaseLostError,
    LogLine,
    job,
)
from shared.jobs.runner import JobRunner
from shared.jobs.schedules import Schedule

if TYPE_CHECKING:
    from fastapi import APIRouter

__all__ = [
    "ChildResult",
    "Job",
    "JobAlreadyActive",
    "JobCancelled",
    "JobContext",
    "JobFinished",
    "JobOut",
    "JobPostponed",
    "JobRunner",
    "JobSpec",
    "LeaseLostError",
    "LogLine",
    "PermanentError",
    "Schedule",
    "job",
    "jobs_router",
]


@cache
def jobs_router(prefix: str) -> APIRouter:
    """List, read, cancel and requeue the jobs of the caller's tenant under `prefix`.

    A `{tenant_id}` in the prefix must be the caller's own, else 404.
    """
    # Imported late: the routes need shared.web, which itself needs this package.
    from shared.jobs.routes import build_router

    return build_router(prefix)
