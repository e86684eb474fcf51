"""Shapes of contacts in requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from campaign_service.contacts.types import (
    Country,
    CustomFields,
    EmailAddress,
    LanguageCode,
    Line,
    PatchBody,
    Phone,
    ShortLine,
    Slugs,
    TenantBody,
)

ContactStatus = Literal["pending", "valid", "invalid", "blacklisted", "unsubscribed"]
ValidationStatus = Literal["valid", "invalid", "risky", "unknown"]
#: Kept with less precision than it would be shown with.
Score = Annotated[float, AfterValidator(lambda value: round(value, 2))]
Action = Literal["create", "update", "tag", "untag", "delete"]


class ContactIn(TenantBody):
    """A new contact, who has an e-mail address or a phone. Tags that do not exist yet are made."""

    email: EmailAddress | None = None
    phone: Phone | None = None
    first_name: Line | None = None
    last_name: Line | None = None
    language: LanguageCode = "en"
    country: Country | None = None
    time_zone: ShortLine | None = None
    category: ShortLine | None = None
    status: ContactStatus = "valid"
    custom_fields: CustomFields = Field(default_factory=dict)
    tags: Slugs = Field(default_factory=list)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.email is None and self.phone is None:
            raise ValueError("email or phone is required")
        return self


class ContactUpdate(PatchBody):
    """Given fields change. `custom_fields` is merged, null takes a key away; `tags` replaces all tags."""

    email: EmailAddress = ""
    phone: Phone | None = None
    first_name: Line | None = None
    last_name: Line | None = None
    language: LanguageCode = ""
    country: Country | None = None
    time_zone: ShortLine | None = None
    category: ShortLine | None = None
    status: ContactStatus = "valid"
    validation_status: ValidationStatus = "unknown"
    custom_fields: CustomFields = Field(default_factory=dict)
    tags: Slugs = Field(default_factory=list)

    @classmethod
    def required(cls) -> tuple[str, ...]:
        return ("email", "language", "status", "validation_status", "custom_fields", "tags")


class ContactOut(BaseModel):
    id: UUID
    tenant_id: UUID
    email: str | None
    phone: str | None
    phone_e164: str | None
    first_name: str | None
    last_name: str | None
    language: str
    country: str | None
    time_zone: str | None
    category: str | None
    status: ContactStatus
    validation_status: ValidationStatus
    validation_score: Score | None
    validation_errors: list[str]
    validated_at: datetime | None
    custom_fields: dict[str, Any]
    tags: list[str]
    source_id: UUID | None
    created_at: datetime
    updated_at: datetime


class ContactEvent(BaseModel):
    """One thing heard about a mail to this contact; `verdict` says who opened or clicked."""

    id: UUID
    type: str
    occurred_at: datetime
    campaign_id: UUID | None
    campaign_name: str | None
    verdict: str | None
    link_index: int | None
    detail: dict[str, Any]


class ContactCampaign(BaseModel):
    """Where a campaign's mail to this contact stands."""

    campaign_id: UUID
    campaign_name: str
    state: str
    skip_reason: str | None
    last_code: str | None
    last_detail: str | None
    accepted_at: datetime | None
    delivered_at: datetime | None
    bounced_at: datetime | None
    first_opened_at: datetime | None
    first_clicked_at: datetime | None
    unsubscribed_at: datetime | None
    complained_at: datetime | None


class ContactHistory(BaseModel):
    """`events` is the page; `campaigns` are the latest 100 campaigns with this contact."""

    campaigns: list[ContactCampaign]
    events: list[ContactEvent]


class BulkIn(BaseModel):
    """Up to 1,000 items. Each is checked and answered by itself: a wrong one does not stop the others.

    create: items as in `POST /api/v2/contacts`. update: `id` or `email` (to find it) and the fields to
    change, a new address as `new_email`. tag, untag, delete: `id` or `email`.
    """

    model_config = ConfigDict(extra="forbid")

    action: Action
    items: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1000)]
    tags: Slugs = Field(default=[], description="For tag and untag")


class BulkResult(BaseModel):
    """What became of one item; `index` is its place in the request."""

    index: int
    status: Literal[
        "created", "updated", "tagged", "untagged", "deleted", "unchanged", "exists", "not_found", "invalid"
    ]
    id: UUID | None = None
    field: str | None = None
    message: str | None = None


class BulkOut(BaseModel):
    succeeded: int
    failed: int
    results: list[BulkResult]


class DeletedContact(BaseModel):
    id: UUID
