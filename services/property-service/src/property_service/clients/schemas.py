"""Shapes of clients in requests and answers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import phonenumbers
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from shared.utils.validation import is_email, validate_time_zone

Status = Literal["active", "inactive", "test", "pending"]
SubscriptionType = Literal["decouverte", "pro", "entreprise"]
PropertyType = Literal["house", "apartment", "land", "commercial", "other"]
Role = Literal["admin", "user"]
Language = Literal["fr", "en"]

_MAX_CITIES = 500
_MAX_SEATS = 100


def _email(value: str) -> str:
    if not is_email(value):
        raise ValueError("this is not an e-mail address")
    return value


def _telephone(value: str) -> str:
    """E.164; a number without a country code is read as a French one."""
    try:
        number = phonenumbers.parse(value, "FR")
    except phonenumbers.NumberParseException as error:
        raise ValueError("this is not a telephone number") from error
    if not phonenumbers.is_possible_number(number):
        raise ValueError("this is not a telephone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _different(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _none_for_zero(value: Any) -> Any:
    return None if value == 0 and not isinstance(value, bool) else value


Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$"),
]
LongText = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00]*$")]
Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254), AfterValidator(_email)]
Telephone = Annotated[str, StringConstraints(max_length=40), AfterValidator(_telephone)]
SendDay = Annotated[int, Field(ge=1, le=31, description="The last day of a shorter month stands for it")]
PerReport = Annotated[
    Annotated[int, Field(ge=1, le=1000)] | None,
    BeforeValidator(_none_for_zero),
    Field(description="0 and null mean the default of the installation"),
]
Cities = Annotated[list[UUID], Field(max_length=_MAX_CITIES), AfterValidator(_different)]
PropertyTypes = Annotated[list[PropertyType], AfterValidator(_different)]
TimeZone = Annotated[str, AfterValidator(validate_time_zone)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class SeatIn(Body):
    """A further person of a client. Nobody else's seat has the same address."""

    first_name: Line
    last_name: Line
    email: Email
    role: Role = "user"


class SeatOut(SeatIn):
    model_config = ConfigDict(extra="ignore")

    user_id: UUID


def _one_seat_an_address(seats: list[SeatIn]) -> list[SeatIn]:
    if len({seat.email.lower() for seat in seats}) < len(seats):
        raise ValueError("two seats have the same e-mail address")
    return seats


Seats = Annotated[list[SeatIn], Field(max_length=_MAX_SEATS), AfterValidator(_one_seat_an_address)]


class ClientFields(Body):
    """What may be left out of a client."""

    telephone: Telephone | None = None
    company_name: Line | None = None
    company_address: Line | None = None
    subscription_type: SubscriptionType = "decouverte"
    status: Status = "active"
    subscription_start_date: date | None = None
    subscription_end_date: date | None = Field(default=None, description="Last day of service")
    subscription_status: Line | None = None
    stripe_customer_id: Line | None = None
    stripe_subscription_id: Line | None = None
    first_report_date: date | None = Field(default=None, description="No monthly report before it")
    send_day: SendDay = 1
    addresses_per_report: PerReport = None
    chosen_cities: Cities = Field(default_factory=list)
    property_type_preferences: PropertyTypes = Field(default_factory=list)
    template_name: Line | None = None
    info: LongText | None = None
    role: Role = "user"
    language: Language = "fr"
    time_zone: TimeZone = "Europe/Paris"
    seats: Seats = Field(default_factory=list)

    @model_validator(mode="after")
    def _dates_in_order(self) -> Self:
        start, end = self.subscription_start_date, self.subscription_end_date
        if start and end and end < start:
            raise ValueError("subscription_end_date lies before subscription_start_date")
        return self


class ClientIn(ClientFields):
    """A new client."""

    first_name: Line
    last_name: Line
    email: Email


class ClientUpdate(ClientFields):
    """Fields that are given change; `seats`, when given, are all that there are then."""

    first_name: Line = ""
    last_name: Line = ""
    email: Email = ""

    def changes(self) -> dict[str, Any]:
        """The given fields alone; seats with all of theirs."""
        return self.model_dump(include=self.model_fields_set)


class ClientBrief(BaseModel):
    """A client in lists. `addresses_per_report` is the number in force, also where the default is."""

    model_config = ConfigDict(extra="ignore")

    client_id: UUID
    first_name: str
    last_name: str
    email: str
    status: Status
    subscription_type: SubscriptionType
    send_day: int
    chosen_cities: list[UUID]
    property_type_preferences: list[PropertyType]
    addresses_per_report: int
    created_at: datetime


class ClientOut(ClientBrief):
    telephone: str | None
    company_name: str | None
    company_address: str | None
    subscription_start_date: date | None
    subscription_end_date: date | None
    subscription_status: str | None
    stripe_customer_id: str | None
    stripe_subscription_id: str | None
    first_report_date: date | None
    template_name: str | None
    info: str | None
    role: Role
    language: Language
    time_zone: str
    seats: list[SeatOut]
    updated_at: datetime


class JobBrief(BaseModel):
    job_id: UUID
    status: str
    created_at: datetime


class CityBrief(BaseModel):
    """`postal_code` is the first of `postal_codes`: communes may have several."""

    city_id: UUID
    name: str
    postal_code: str | None
    postal_codes: list[str]
    insee_code: str


class ClientDetail(BaseModel):
    client: ClientOut
    assigned_properties_count: int
    recent_jobs: list[JobBrief]
    cities: list[CityBrief]


class DeletedClient(BaseModel):
    client_id: UUID


class ErasedClient(BaseModel):
    """What was taken away for good."""

    client_id: UUID
    erased_at: datetime
    deleted_assignments: int
    deleted_seats: int


class ClientExport(BaseModel):
    """Everything that is kept about a client, as stored."""

    exported_at: datetime
    client: dict[str, Any]
    seats: list[dict[str, Any]]
    assignments: list[dict[str, Any]]
    draws: list[dict[str, Any]]
    jobs: list[JobBrief]
