"""Shapes of processing jobs in requests and answers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

JobStatus = Literal["pending", "processing", "completed", "failed", "failed_permanent", "cancelled"]
_MOST = 1000


class ProcessIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    client_id: UUID


class AddIn(BaseModel):
    """Without `count`, as many as a report of the client has."""

    model_config = ConfigDict(extra="forbid")

    client_id: UUID
    count: int | None = Field(default=None, ge=1, le=_MOST)


class Order(BaseModel):
    """Payload of a job. `day` is the day whose sales are looked back from, null for the client's today;
    `period` is the month a monthly report is for.
    """

    client_id: UUID
    count: int | None = None
    day: date | None = None
    period: date | None = None


class Started(BaseModel):
    """A job that was started, or that was there already."""

    job_id: UUID
    client_id: UUID
    message: str


class JobStatusOut(BaseModel):
    """`failed` waits for its next attempt at `next_attempt`; `failed_permanent` gets none. `result` is what a
    completed job says: of a client's `wanted` and `properties_assigned`, of a day how many clients were
    `noticed`, `started`, `busy` with another job, and how many jobs were `retried`.
    """

    model_config = ConfigDict(extra="ignore")

    job_id: UUID
    client_id: UUID | None
    status: JobStatus
    properties_assigned: int
    error_message: str | None
    created_at: datetime
    updated_at: datetime
    progress: dict[str, Any]
    result: dict[str, Any] | None
    attempt_count: int
    next_attempt: datetime | None


class RetriedOut(BaseModel):
    """`processed` were completed, `failed` failed once more, `still_running` had not ended by then."""

    processed: int
    failed: int
    still_running: int


class CleanedOut(BaseModel):
    cleaned_jobs: int
