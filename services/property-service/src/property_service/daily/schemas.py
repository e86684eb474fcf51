"""Shapes of the daily run in answers."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel


class DayStarted(BaseModel):
    """The job that does the day: `GET /api/job-status/{job_id}` tells how far it is."""

    job_id: UUID
    message: str
