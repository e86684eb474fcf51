"""Shapes of a tenant's SMS settings."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from campaign_service.contacts.types import Name
from campaign_service.sms import phones
from shared.models.business import PhoneNumber
from shared.utils.validation import validate_time_zone, validate_url

_MICROS_MAX = 100_000_000


def _number(value: str) -> str:
    number = phones.e164(value)
    if number is None:
        raise ValueError("not a phone number in international form")
    return number


def _zone(value: str) -> str:
    return validate_time_zone(value)


def _url(value: str) -> str:
    return validate_url(value)


E164 = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40), AfterValidator(_number)]
CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Price = Annotated[int, Field(ge=0, le=_MICROS_MAX)]
TextBody = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1600, pattern=r"^[^\x00]*$")
]
Token = Annotated[SecretStr, Field(min_length=8, max_length=200)]
TimeZone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone)]
CallbackUrl = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_url)]


class WarmStart(BaseModel):
    """A number that is new sends so many texts of campaigns on its first day of sending, and on each that
    follows `growth` times as many. Answers and single texts are not counted.
    """

    model_config = ConfigDict(extra="forbid")

    first_day: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    growth: Annotated[float, Field(ge=1, le=10)] = 2.0


class NumberIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: E164
    label: Name | None = None
    is_active: bool = True
    warm_start: WarmStart | None = None

    def row(self, new_id: UUID) -> tuple[UUID, str, str | None, bool, int | None, float]:
        """As it is stored."""
        warm = self.warm_start
        return (
            new_id,
            self.number,
            self.label,
            self.is_active,
            warm.first_day if warm else None,
            warm.growth if warm else WarmStart().growth,
        )


class NumberOut(PhoneNumber):
    """`sent_today` are texts of campaigns; `most_today` is how many there may be, None for any number."""

    warm_start: WarmStart | None
    sent_today: int
    most_today: int | None

    @classmethod
    def of(cls, row: dict[str, Any]) -> NumberOut:
        first, growth = row["warm_first"], row["warm_growth"]
        warm = WarmStart(first_day=first, growth=growth) if first else None
        return cls.model_validate({**row, "warm_start": warm})


class QuietHoursIn(BaseModel):
    """Local hours of the recipient; over midnight where `start` is the later one."""

    model_config = ConfigDict(extra="forbid")

    start: time
    end: time

    @model_validator(mode="after")
    def _not_always(self) -> Self:
        if self.start == self.end or self.start.tzinfo or self.end.tzinfo:
            raise ValueError("start and end must differ and have no offset")
        return self


class Prices(BaseModel):
    """Per segment, in millionths of the currency's unit; by country of the number, else `default`."""

    model_config = ConfigDict(extra="forbid")

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"
    default: Price = 0
    by_country: Annotated[dict[CountryCode, Price], Field(max_length=260)] = Field(default_factory=dict)


class _Common(BaseModel):
    account_sid: Annotated[str, StringConstraints(pattern=r"^AC[0-9a-f]{32}$")]
    messaging_service_sid: Annotated[str, StringConstraints(pattern=r"^MG[0-9a-f]{32}$")] | None = None
    sender_id: (
        Annotated[
            str, StringConstraints(pattern=r"^[A-Za-z0-9 ]{0,10}[A-Za-z][A-Za-z0-9 ]{0,10}$", max_length=11)
        ]
        | None
    ) = None
    status_callback_url: CallbackUrl | None = Field(
        default=None, description="The address of this tenant's twilio webhook source"
    )
    default_region: CountryCode = Field(
        default="US",
        description="How numbers without a country code are read, where the contact has no country",
    )
    time_zone: TimeZone = "UTC"
    rate_per_sender: Annotated[float, Field(gt=0, le=1000)] = Field(
        default=1.0, description="Texts a second from each number"
    )
    prices: Prices = Prices()
    answers_keywords: bool = Field(
        default=True, description="Whether STOP, START and HELP are answered; off where the provider does it"
    )
    help_text: TextBody | None = None
    text_back: TextBody | None = Field(
        default=None, description="Sent to who called and was not answered; none: nothing is"
    )


class SmsSettingsIn(_Common):
    """The whole settings. Without `auth_token` the one that is stored stays."""

    model_config = ConfigDict(extra="forbid")

    auth_token: Token | None = None
    numbers: Annotated[list[NumberIn], Field(max_length=100)] = Field(default_factory=list)
    quiet_hours: QuietHoursIn | None = QuietHoursIn(start=time(21), end=time(8))


class QuietHoursOut(BaseModel):
    start: time
    end: time


class SmsSettingsOut(_Common):
    """The token is never shown."""

    tenant_id: UUID
    has_auth_token: bool = True
    numbers: list[NumberOut]
    quiet_hours: QuietHoursOut | None
    updated_at: datetime
