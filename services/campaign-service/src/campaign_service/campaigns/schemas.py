"""Shapes of campaigns in requests and answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from campaign_service.campaigns.states import RecipientState, Status
from campaign_service.campaigns.timing import is_zone
from campaign_service.sms.schemas import E164
from shared.utils import is_email

_NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
MAX_LATENESS = 30 * 24 * 3600


def _address(value: str) -> str:
    if not is_email(value):
        raise ValueError("not an e-mail address")
    return value


def _distinct(value: list[str]) -> list[str]:
    return list(dict.fromkeys(value))


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("out of range") from None


def _zone(value: str) -> str:
    if not is_zone(value):
        raise ValueError("not the name of a time zone, such as Europe/Paris")
    return value


Slug = Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$")]
Slugs = Annotated[list[Slug], Field(max_length=50), AfterValidator(_distinct)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=_NO_CONTROL)]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_NO_CONTROL)
]
Address = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254), AfterValidator(_address)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
SmsText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)]
UtcTime = Annotated[AwareDatetime, AfterValidator(_to_utc)]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone)]


class SendWindow(BaseModel):
    """When mails may go, by the recipient's clock: from `opens` until `closes` on `days` (1 is Monday)."""

    model_config = ConfigDict(extra="forbid")

    opens: ClockTime = "00:00"
    closes: ClockTime | Literal["24:00"] = "24:00"
    days: Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(min_length=1, max_length=7)] = [
        *range(1, 8)
    ]

    @model_validator(mode="after")
    def _opens_first(self) -> Self:
        if self.opens >= self.closes:
            raise ValueError("a window opens before it closes, on the same day")
        return self


class CampaignFields(BaseModel):
    """What a user may write. `language` forces one language for everyone; without it each gets their own."""

    model_config = ConfigDict(extra="forbid")

    channel: Literal["email", "sms"] = "email"
    sms_text: SmsText | None = Field(
        default=None, description="What an SMS says, in place of a template's text part"
    )
    language: Language | None = None
    category: Line | None = None
    tags_all: Slugs = []
    tags_any: Slugs = []
    exclude_tags: Slugs = []
    segment_id: UUID | None = Field(
        default=None, description="Only people of this segment, besides what the tags ask for"
    )
    from_name: Line | None = None
    from_email: Address | None = None
    reply_to: Address | None = None
    scheduled_at: UtcTime | None = Field(
        default=None, description="Kept for `schedule`; alone it starts nothing"
    )
    max_lateness_seconds: int = Field(
        default=3600, ge=0, le=MAX_LATENESS, description="A schedule missed by more than this does not fire"
    )
    external_ref: Name | None = Field(
        default=None, description="What another sender (MailWizz) calls this campaign"
    )
    local_time: ClockTime | None = Field(
        default=None, description="Each recipient gets the mail when it is this time where they are"
    )
    time_zone: Zone | None = Field(
        default=None, description="Of recipients whose own is not known; absent: the tenant's"
    )
    send_window: SendWindow | None = None
    code_pool: Slug | None = Field(
        default=None, description="Each recipient gets a code of this pool, as {{ code }}"
    )
    code_type: Literal["discount", "free_ticket", "upgrade"] = "discount"


class CampaignIn(CampaignFields):
    """A new campaign. `tenant_id` may be given, as older clients do, and must then be the caller's."""

    tenant_id: UUID | None = None
    name: Name
    template_id: UUID | None = None

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        if self.template_id is None and (self.channel == "email" or self.sms_text is None):
            raise ValueError("template_id is required, or for an SMS sms_text")
        return self


class CampaignUpdate(CampaignFields):
    """Fields that are given replace those of the campaign; the others stay."""

    tenant_id: UUID | None = None
    name: Name = ""
    template_id: UUID | None = None

    @model_validator(mode="after")
    def _required_stay(self) -> Self:
        if "template_id" in self.model_fields_set and self.template_id is None:
            raise ValueError("template_id cannot be taken away")
        return self


class CampaignOut(BaseModel):
    id: UUID
    tenant_id: UUID
    name: str
    channel: str
    sms_text: str | None
    template_id: UUID | None
    template_version: int | None
    language: str | None
    category: str | None
    tags_all: list[str]
    tags_any: list[str]
    exclude_tags: list[str]
    segment_id: UUID | None
    from_name: str | None
    from_email: str | None
    reply_to: str | None
    status: Status
    status_reason: str | None
    scheduled_at: datetime | None
    max_lateness_seconds: int
    external_ref: str | None
    local_time: str | None
    time_zone: str | None
    send_window: SendWindow | None
    code_pool: str | None
    code_type: str
    started_at: datetime | None
    completed_at: datetime | None
    recipient_count: int
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime


class DeletedCampaign(BaseModel):
    id: UUID


class SendOut(BaseModel):
    """Answer of send and resume."""

    success: bool = True
    campaign_id: UUID
    status: Status
    message: str
    recipient_count: int


class ScheduleIn(BaseModel):
    """When to send. Absent: the campaign's own `scheduled_at`. Null: not at all, back to draft."""

    model_config = ConfigDict(extra="forbid")

    scheduled_at: UtcTime | None = None


class RetryIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    include_ambiguous: bool = Field(
        default=False, description="Also those whose mail may have arrived: they may get it twice"
    )


class RetryOut(BaseModel):
    campaign_id: UUID
    status: Status
    requeued: int


class TestIn(BaseModel):
    """Who gets the mail or text as `contact_id` would (default: the tenant's first contact).

    E-mail addresses, or for a campaign by SMS phone numbers in international form. `variant` is the number
    of one of the campaign's variants; without it the campaign's own content is sent.
    """

    __test__ = False
    model_config = ConfigDict(extra="forbid")

    to: Annotated[list[Address | E164], Field(min_length=1, max_length=10), AfterValidator(_distinct)]
    contact_id: UUID | None = None
    language: Language | None = None
    variant: Annotated[int, Field(ge=1, le=5)] | None = None


class TestOut(BaseModel):
    __test__ = False
    campaign_id: UUID
    message_ids: list[UUID]


class SmsCount(BaseModel):
    """Of one text; the price in millionths of the currency's unit, None without an account."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int
    price_micros: int | None
    currency: str | None


class SmsTotal(BaseModel):
    """Of all texts of a campaign, each counted with the person's own name.

    `is_estimate`: there are so many people that the first 20,000 stand for all, or variants, of which each
    counts with the dearest. `unsendable` texts are empty
    or too long for their person.
    """

    segments: int
    price_micros: int
    currency: str | None
    recipients_by_segments: dict[int, int]
    recipients_by_encoding: dict[str, int]
    unsendable: int
    is_estimate: bool
    is_configured: bool


class PreviewOut(BaseModel):
    """A rendering by the engine that sends, without tracking; `warnings` are for the author."""

    subject: str
    html: str
    text: str
    language: str
    contact_id: UUID | None
    warnings: list[str]
    sms: SmsCount | None = None


class SampleContact(BaseModel):
    id: UUID
    email: str | None
    phone_e164: str | None = None
    first_name: str | None
    last_name: str | None
    language: str


class AudienceOut(BaseModel):
    """`count` would get the mail now; the others by the reason why they would not."""

    count: int
    suppressed: dict[str, int]
    not_eligible: dict[str, int]
    sample: list[SampleContact]
    sms: SmsTotal | None = None


class RecipientOut(BaseModel):
    contact_id: UUID
    email: str | None
    phone: str | None
    language: str
    variant: int
    code: str | None
    state: RecipientState
    attempts: int
    next_attempt_at: datetime | None
    possible_repeats: int
    last_code: str | None
    last_detail: str | None
    skip_reason: str | None
    bounce_class: str | None
    accepted_at: datetime | None
    delivered_at: datetime | None
    bounced_at: datetime | None
    first_opened_at: datetime | None
    first_clicked_at: datetime | None
    unsubscribed_at: datetime | None
    complained_at: datetime | None


class ProgressOut(BaseModel):
    """`done` of `total` are past sending; `rate` is mails a second of late, `eta_seconds` follows from it."""

    campaign_id: UUID
    status: Status
    total: int
    done: int
    percent: float
    states: dict[RecipientState, int]
    rate: float
    eta_seconds: int | None
    started_at: datetime | None
    completed_at: datetime | None


class LinkOut(BaseModel):
    """`unique_clicks` counts people; `clicks_*` counts requests by who made them."""

    link_index: int
    url: str
    unique_clicks: int
    clicks_human: int
    clicks_scanner: int
    clicks_unknown: int
