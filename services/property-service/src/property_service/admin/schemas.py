"""Shapes of the administration in requests and answers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from property_service.processing.schemas import JobStatus
from shared.utils.validation import is_email

TemplateType = Literal["config", "welcome", "notification", "monthly", "insufficient", "error"]


class Component(BaseModel):
    status: Literal["ok", "error"]
    message: str


class Components(BaseModel):
    database: Component
    events: Component
    email: Component


class HealthOut(BaseModel):
    """`degraded` when one of the components does not work."""

    status: Literal["ok", "degraded"]
    timestamp: datetime
    components: Components


class StatsOut(BaseModel):
    """`jobs_failed` wait for another attempt, `jobs_failed_permanent` get none. `total_properties` are those
    of the installation, estimated beyond a million.
    """

    total_clients: int
    active_clients: int
    total_properties: int
    total_assignments: int
    jobs_pending: int
    jobs_processing: int
    jobs_completed: int
    jobs_failed: int
    jobs_failed_permanent: int


class JobClient(BaseModel):
    first_name: str
    last_name: str
    email: str | None


class JobRow(BaseModel):
    """`clients` is the client the job is for; the name is that of the first version."""

    job_id: UUID
    client_id: UUID | None
    status: JobStatus
    attempt_count: int
    properties_assigned: int
    error_message: str | None
    created_at: datetime
    updated_at: datetime
    next_attempt: datetime | None
    clients: JobClient | None


def _email(value: str) -> str:
    if not is_email(value):
        raise ValueError("this is not an e-mail address")
    return value


Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254), AfterValidator(_email)]


class TrialMailIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    recipient: Email
    template_type: TemplateType = "config"


class MailResults(BaseModel):
    """`smtp_config`: the mail server's address can be read; `connection`: it takes mails; `send_test`: a
    mail was asked for.
    """

    smtp_config: bool
    connection: bool
    send_test: bool


class TrialMailOut(BaseModel):
    success: bool
    message: str
    results: MailResults


class TrialProcessingIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    client_id: UUID
    count: int = Field(default=5, ge=1, le=100)


class TrialProperty(BaseModel):
    """`price` in whole euros."""

    address_raw: str
    city_name: str
    price: int | None
    property_type: str
    sale_date: date


class TrialProcessingOut(BaseModel):
    client_id: UUID
    properties_assigned: int
    email_sent: bool
    properties: list[TrialProperty]
    message: str


class DeletedJobsOut(BaseModel):
    deleted_jobs: int
