"""What a job is, for those who declare, enqueue and read jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.errors import ConflictError

if TYPE_CHECKING:
    from shared.jobs.context import JobContext

Status = Literal["pending", "running", "completed", "failed_permanent", "cancelled"]
LogLevel = Literal["debug", "info", "warning", "error"]
FINISHED: tuple[Status, ...] = ("completed", "failed_permanent", "cancelled")

Handler = Callable[["JobContext"], Awaitable[dict[str, Any] | None]]


class JobAlreadyActive(ConflictError):  # noqa: N818  # named for its code
    """A job of this type and unique key waits or runs; `details["job_id"]` and `.job_id` name it."""

    code = "JOB_ALREADY_ACTIVE"

    def __init__(self, job_id: UUID) -> None:
        super().__init__("Such a job is already waiting or running", details={"job_id": str(job_id)})
        self.job_id = job_id


class JobFinished(ConflictError):  # noqa: N818
    """The job has ended, or has not: the wanted change does not fit its status."""

    code = "JOB_STATE"


class JobCancelled(Exception):  # noqa: N818
    """Raised inside a job that was asked to stop; let it pass."""


class JobPostponed(Exception):  # noqa: N818
    """Raised inside a job that cannot begin yet: it waits `seconds`, and the attempt is not counted."""

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds


class LeaseLostError(Exception):
    """Another worker has taken this job over; nothing more may be written for it."""


class Job(BaseModel):
    """A job as stored. A `pending` one with `error` has failed and waits for its next attempt at `run_at`."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: UUID
    tenant_id: UUID | None
    type: str
    unique_key: str | None
    status: Status
    payload: dict[str, Any]
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    attempt: int
    max_attempts: int
    run_at: datetime
    cancel_requested: bool
    created_by: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job about to be stored."""

    id: UUID
    tenant_id: UUID | None
    type: str
    unique_key: str | None
    payload: dict[str, Any]
    max_attempts: int
    run_at: datetime
    created_by: str | None
    created_at: datetime


class JobOut(BaseModel):
    """A job as clients see it: without its payload, which may name internal things."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    type: str
    status: Status
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    attempt: int
    max_attempts: int
    run_at: datetime
    cancel_requested: bool
    created_by: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class LogLine(BaseModel):
    """One line a job wrote; `seq` counts from 1 within the job."""

    seq: int
    at: datetime
    level: LogLevel
    line: str


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A kind of job. `timeout` is in seconds, None for JOB_TIMEOUT_SECONDS.

    A failed attempt waits `backoff * 2**attempt` seconds, 10 % more or less, at most a day.
    """

    type: str
    handler: Handler
    timeout: float | None = None
    max_attempts: int = 3
    backoff: float = 30.0


def job(
    type: str,  # noqa: A002  # the word users know
    *,
    timeout: float | None = None,
    max_attempts: int = 3,
    backoff: float = 30.0,
) -> Callable[[Handler], JobSpec]:
    """Turn `async def run(ctx: JobContext) -> dict | None` into a `JobSpec`. The dict is the job's result."""

    def declare(handler: Handler) -> JobSpec:
        return JobSpec(type, handler, timeout, max_attempts, backoff)

    return declare
