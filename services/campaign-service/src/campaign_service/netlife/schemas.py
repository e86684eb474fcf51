"""Shapes of portal settings and collections."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from campaign_service.campaigns.schemas import Name, SmsText
from campaign_service.contacts.types import LanguageCode, Slugs
from campaign_service.imports.schemas import OnConflict
from campaign_service.netlife.config import SMS_DEFAULTS, AccessKeyPath, Brand
from campaign_service.netlife.model import Audience, CollectOptions, ContactFilter

PortalName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=500)]
JobId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
CollectionStatus = Literal["pending", "running", "completed", "failed", "cancelled"]


class PortalIn(BaseModel):
    """A tenant's access to one portal. A portal that is there is replaced."""

    model_config = ConfigDict(extra="forbid")

    portal: PortalName = Field(examples=["nowandforeverphoto"])
    username: Secret
    password: Secret
    access_key_path: AccessKeyPath = "accesskeys"


class PortalOut(BaseModel):
    """Credentials are stored encrypted and never given out again."""

    portal: str
    brand: Brand
    access_key_path: AccessKeyPath
    has_credentials: bool = True
    created_at: datetime
    updated_at: datetime


class PortalsDeleted(BaseModel):
    deleted: list[str]


class PortalNamed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    portal: PortalName


class PortalTested(BaseModel):
    """`ok`: the portal answers and takes the credentials."""

    portal: str
    ok: bool


class ImportWish(BaseModel):
    """Make contacts of what is collected. Every contact gets the tags, and `buyer` or `non-buyer`."""

    model_config = ConfigDict(extra="forbid")

    tags: Slugs = Field(default_factory=list)
    default_language: LanguageCode = "en"
    on_conflict: OnConflict = "update"
    source_id: UUID | None = None


class SmsCampaignWish(BaseModel):
    """A campaign by SMS to those who are collected and want texts; a draft, unless `send`.

    Then it starts when they have become contacts. Its `status_reason` says what keeps it from starting.
    """

    model_config = ConfigDict(extra="forbid")

    name: Name | None = Field(default=None, description="Absent: the portal's, and the day")
    sms_text: SmsText = (
        f"{SMS_DEFAULTS['message_template']} {{{{ contact.custom.gallery_url }}}} Reply STOP to end"
    )
    exclude_tags: Slugs = Field(default_factory=list)
    send: bool = False


class CollectIn(BaseModel):
    """What to collect. `allow_partial`: take what can be read, though a job or a subject cannot.

    `sms_campaign` makes contacts of what is collected, with `import_contacts` or without.
    """

    model_config = ConfigDict(extra="forbid")

    portal: PortalName
    audience: Audience = "both"
    contact_filter: ContactFilter = "any"
    registered_only: bool = False
    images_required: bool = True
    jobs: Annotated[list[JobId], Field(max_length=1000)] = Field(
        default_factory=list, description="The portal's jobs; all in its web shop when empty"
    )
    allow_partial: bool = False
    import_contacts: ImportWish | None = None
    sms_campaign: SmsCampaignWish | None = None

    @model_validator(mode="after")
    def _campaigns_need_contacts(self) -> Self:
        if self.sms_campaign is not None and self.import_contacts is None:
            self.import_contacts = ImportWish()
        return self

    def options(self) -> CollectOptions:
        return CollectOptions(
            audience=self.audience,
            contact_filter=self.contact_filter,
            registered_only=self.registered_only,
            images_required=self.images_required,
            jobs=frozenset(self.jobs),
        )


class CollectAccepted(BaseModel):
    job_id: UUID
    status: CollectionStatus
    portal: str


class CollectionOut(BaseModel):
    """`contacts` are rows of the CSV: a subject has one an activity. `skipped` counts subjects by reason.

    `failures` names, with hashed ids, what could not be read. `progress` counts the portal's jobs.
    `file_withdrawn_at`: when the CSV was removed because a contact was erased who may be in it.
    """

    id: UUID
    portal: str
    status: CollectionStatus
    options: dict[str, Any]
    contacts: int
    skipped: dict[str, int]
    statistics: dict[str, Any]
    failures: list[str]
    import_id: UUID | None
    campaign_id: UUID | None
    progress: dict[str, Any]
    error: str | None
    created_at: datetime
    finished_at: datetime | None
    file_withdrawn_at: datetime | None
