"""Shapes of assigned properties in requests and answers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from property_service.clients.schemas import Body, LongText, PropertyType

Status = Literal["new", "contacted", "meeting", "negotiation", "sold", "mandate"]
EnergyClass = Literal["A", "B", "C", "D", "E", "F", "G", "N"]
Year = Annotated[int, Field(ge=1000, le=2200)]
Euros = Annotated[int, Field(ge=0, le=10_000_000_000, description="Whole euros")]


class Details(Body):
    """What a client notes about a property.

    There is no place for who owns it: the data may not be used to find out (French tax procedure code,
    article R*112 A-3).
    """

    validation: bool | None = None
    contact_established: bool | None = None
    contact_date: date | None = None
    follow_up: Literal["1m", "3m", "6m", "1y"] | None = None
    potential_interest_in_selling: bool | None = None
    sale_horizon: Literal["3 mois", "6 mois", "9 mois", "1 an"] | None = None
    desired_price: Euros | None = None
    accord_estimation: bool | None = None
    is_owner_occupant: bool | None = None
    is_rented: bool | None = None
    rental_yield: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None, description="Per cent a year"
    )
    travaux_effectue: bool | None = None
    travaux_necessaire: bool | None = None
    required_renovations: LongText | None = None
    estimation_travaux: Euros | None = None
    dpe_energy_class: EnergyClass | None = None
    dpe_ges_class: EnergyClass | None = None
    heating_type: Literal["electric", "gas", "oil", "wood", "district"] | None = None
    floor: Annotated[int, Field(ge=-10, le=200)] | None = None
    has_elevator: bool | None = None
    has_parking: bool | None = None
    construction_year: Year | None = None
    last_renovation_year: Year | None = None
    is_archived: bool | None = None


class NotesIn(Details):
    """Fields that are given change; null empties one."""

    status: Status = "new"
    notes: LongText | None = None

    def changes(self) -> dict[str, Any]:
        """The given fields; those of `Details` below `details`."""
        given = self.model_dump(mode="json", exclude_unset=True)
        own = {name: given.pop(name) for name in ("status", "notes") if name in given}
        return own | {"details": given}


class AddressInfo(BaseModel):
    """How far the client is with the address; `send_date` is when it was given to them."""

    status: Status
    send_date: datetime
    notes: str | None


class PropertyOut(BaseModel):
    """An assigned address. `price` is in whole euros, null where the register does not tell it for this
    dwelling alone.
    """

    model_config = ConfigDict(extra="ignore")

    address_id: UUID
    address_raw: str
    city_name: str
    price: int | None
    surface: int | None
    rooms: int | None
    property_type: PropertyType
    sale_date: date
    client_address_info: AddressInfo


class PropertyDetail(PropertyOut):
    postal_code: str | None
    insee_code: str
    details: Details
    updated_at: datetime


class ClientProperties(BaseModel):
    client_id: UUID
    total_count: int
    returned_count: int
    properties: list[PropertyOut]


class ResetOut(BaseModel):
    deleted_assignments: int
