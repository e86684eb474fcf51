"""Shapes of sales in answers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

PropertyType = Literal["house", "apartment", "land", "commercial", "other"]
Nature = Literal["sale", "vefa", "building_land", "auction", "expropriation", "exchange"]
#: Must be shown wherever the data is (Licence Ouverte 2.0).
ATTRIBUTION = "DGFiP, Demandes de valeurs foncières (Licence Ouverte 2.0)"


class PropertyOut(BaseModel):
    """A sold property. Prices are euros, surfaces square metres, `distance` metres.

    `price` is null when it cannot be told for this property alone or is none (see `flags`); `mutation_price`
    was paid for everything that shares `mutation_id`. `source` and `updated_at` say what the row was read
    from and when.
    """

    address_id: UUID
    address_raw: str
    city_id: UUID
    city_name: str
    insee_code: str
    postal_code: str | None
    department: str
    property_type: PropertyType
    sale_date: date
    price: float | int | None
    surface: int | None
    land_surface: int | None
    rooms: int | None
    nature: Nature
    flags: list[str]
    mutation_id: UUID
    mutation_price: float | int | None
    latitude: float | None
    longitude: float | None
    distance: float | None
    is_latest: bool
    source: str
    source_year: int
    updated_at: datetime


def euros(cents: int | None) -> float | int | None:
    """Whole euros as an integer, others with their cents."""
    if cents is None:
        return None
    return cents // 100 if cents % 100 == 0 else cents / 100


def property_out(row: dict[str, Any]) -> PropertyOut:
    """A row of the repository as clients see it."""
    distance = row.get("distance")
    shared = {name: row[name] for name in PropertyOut.model_fields if name in row and name != "distance"}
    return PropertyOut(
        address_id=row["id"],
        insee_code=row["city_code"],
        price=euros(row["price_cents"]),
        mutation_price=euros(row["mutation_price_cents"]),
        distance=None if distance is None else round(distance, 1),
        **shared,
    )
