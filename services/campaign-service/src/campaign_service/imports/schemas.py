"""Shapes of imports in answers, and the form of the upload."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from campaign_service.contacts.consents.schemas import ConsentClaim
from campaign_service.contacts.types import LanguageCode, Name, Slugs

OnConflict = Literal["update", "skip", "fill_empty"]
ImportStatus = Literal["pending", "running", "completed", "failed", "cancelled"]


class ImportForm(BaseModel):
    """The form fields beside `file`."""

    model_config = ConfigDict(extra="forbid")

    mapping: Annotated[dict[str, Any], Field(max_length=500)] = Field(default_factory=dict)
    tags: Slugs = Field(default_factory=list)
    default_language: LanguageCode = "en"
    on_conflict: OnConflict = "update"
    source_id: UUID | None = None
    source_name: Name | None = None
    consent: ConsentClaim | None = None


class ImportAccepted(BaseModel):
    """The file is stored and will be read by the job; what was found out about it is said here already."""

    import_id: UUID
    job_id: UUID
    status: ImportStatus
    filename: str
    size: int
    encoding: str
    delimiter: str
    columns: dict[str, Any]


class ImportOut(BaseModel):
    """`total` = created + updated + unchanged + duplicate + rejected; empty lines are not counted.

    `progress` is the job's, in lines of the file, while it runs.
    """

    id: UUID
    job_id: UUID | None
    source_id: UUID | None
    filename: str
    size: int
    status: ImportStatus
    encoding: str | None
    delimiter: str | None
    columns: dict[str, Any] | None
    tags: list[str]
    default_language: str
    on_conflict: OnConflict
    error: str | None
    total: int
    created: int
    updated: int
    unchanged: int
    duplicate: int
    rejected: int
    progress: dict[str, Any]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RejectionOut(BaseModel):
    """A row that became no contact. `line_number` is the physical line it begins on, counted from 1."""

    line_number: int
    reason_code: str
    reason: str
    raw: str
