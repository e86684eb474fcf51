"""Shapes of the daily run in answers."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from property_service.daily.calendar import FIRST, LAST

NamedDay = Annotated[date, Field(ge=FIRST, le=LAST)]


class DayIn(BaseModel):
    """The same as the parameter of that name."""

    model_config = ConfigDict(extra="forbid")

    date: NamedDay | None = None


class DayStarted(BaseModel):
    """The job that does the day: `GET /api/job-status/{job_id}` tells how far it is."""

    job_id: UUID
    message: str
