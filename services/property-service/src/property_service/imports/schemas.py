"""Shapes of imports in answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

ImportKind = Literal["sales", "cities"]
ImportStatus = Literal["pending", "running", "completed", "failed", "cancelled"]


class ImportFile(BaseModel):
    name: str
    size: int


class ImportAccepted(BaseModel):
    """The files are stored and will be read by the job, in this order."""

    import_id: UUID
    job_id: UUID
    kind: ImportKind
    status: ImportStatus
    files: list[ImportFile]


class ImportOut(BaseModel):
    """`report` of finished sales: rows, rejected, mutations, units, dwellings, new, changed, unchanged,
    total_cents (each mutation's price once), naive_cents (once a row), members. Of cities: rows, rejected,
    cities, new, changed, unchanged. `progress` is the job's, in lines, while it runs.
    """

    import_id: UUID
    job_id: UUID | None
    kind: ImportKind
    files: list[ImportFile]
    status: ImportStatus
    report: dict[str, Any]
    progress: dict[str, Any]
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RejectionOut(BaseModel):
    """A line that was not taken; lines count from 1, with the header. A file's first 10,000 are kept."""

    file_number: int
    file_name: str
    line_number: int
    reason_code: str
    reason: str
    raw: str
