"""Shapes of cities in answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel


class CityOut(BaseModel):
    """A commune, or an arrondissement, whose `parent_insee_code` is then its city's.

    `postal_code` is the first of `postal_codes`, in the order of numbers. `refreshed_at` says when a source
    was last asked for the city's sales.
    """

    city_id: UUID
    insee_code: str
    name: str
    postal_code: str | None
    postal_codes: list[str]
    department: str
    region: str | None
    parent_insee_code: str | None
    latitude: float | None
    longitude: float | None
    source: str
    refreshed_at: datetime | None
    updated_at: datetime


def city_out(row: dict[str, Any]) -> CityOut:
    """A row of the repository as clients see it."""
    postal_codes = row["postal_codes"]
    shared = {name: row[name] for name in CityOut.model_fields if name in row}
    return CityOut(
        city_id=row["id"],
        insee_code=row["code"],
        postal_code=postal_codes[0] if postal_codes else None,
        parent_insee_code=row["parent_code"],
        **shared,
    )
