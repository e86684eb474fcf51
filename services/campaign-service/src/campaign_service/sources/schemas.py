"""Shapes of data sources. Secrets are taken and never given out again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)
from yarl import URL

from campaign_service.contacts.consents.schemas import ConsentClaim
from campaign_service.contacts.types import LanguageCode, Name, PatchBody, Slugs, TenantBody
from campaign_service.imports.headers import MappingError, check_target
from campaign_service.imports.schemas import ImportStatus
from campaign_service.netlife.model import Audience, ContactFilter
from campaign_service.netlife.schemas import JobId, PortalName


def _readable(url: str) -> str:
    """The address as it is given. Raises ValueError for one that has a query or cannot be read."""
    if URL(url).query_string or "?" in url or "#" in url:
        raise ValueError("the address has neither a query nor a fragment")
    return url


SourceType = Literal["scraper-pro", "backlink-engine", "csv", "manual", "api", "netlife"]
Url = Annotated[
    str,
    StringConstraints(
        pattern=r"^https?://[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:\d{1,5})?(/[\x21-\x7e]*)?$",
        max_length=500,
    ),
    AfterValidator(_readable),
]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=500)]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Dotted = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,4}$")]
FieldName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]
#: Minutes between two syncs: a quarter of an hour to thirty days.
Period = Annotated[int, Field(ge=15, le=30 * 24 * 60)]
Mapping = Annotated[dict[FieldName, str | None], Field(max_length=200)]


class FileSettings(BaseModel):
    """What every contact of the source gets: tags, and a language where it has none."""

    model_config = ConfigDict(extra="forbid")

    tags: Slugs = Field(default_factory=list)
    default_language: LanguageCode = "en"


class RemoteSettings(FileSettings):
    """A server that is asked for contacts page by page, every request signed with the secret.

    `mapping` is from the server's field (`contact.mail` for one inside another) to ours, as in imports of
    files: a field of the contact, `custom.<key>`, or null to leave it out. What is not in it is recognised
    by its name or becomes a custom field.
    """

    url: Url = Field(examples=["https://scraper.example.com"])
    secret: Secret | None = Field(default=None, description="Left out: stays as it is")
    page_size: int = Field(default=500, ge=1, le=1000)
    requests_per_minute: int = Field(default=120, ge=1, le=6000)
    mapping: Mapping = Field(default_factory=dict)
    consent: ConsentClaim | None = Field(default=None, description="What all of its people have agreed to")

    @property
    def needs_secret(self) -> bool:
        return True

    @field_validator("secret")
    @classmethod
    def _fits_a_header(cls, secret: SecretStr | None) -> SecretStr | None:
        text = secret.get_secret_value() if secret else ""
        if not text.isascii() or not text.isprintable():
            raise ValueError("a secret is printable ASCII")
        return secret

    @model_validator(mode="after")
    def _targets_exist(self) -> RemoteSettings:
        for name, target in self.mapping.items():
            try:
                check_target(target, name)
            except MappingError as error:
                raise ValueError(str(error)) from None
        targets = [target for target in self.mapping.values() if target]
        if len(set(targets)) < len(targets):
            raise ValueError("two fields are mapped to the same one")
        return self


class ApiSettings(RemoteSettings):
    """Any server with pages and a cursor. `items` and `next_cursor` say where these are in its answers."""

    auth: Literal["none", "bearer", "header", "signature"] = "bearer"
    header: Word = "X-Api-Key"
    items: Dotted = "data"
    next_cursor: Dotted = "next_cursor"
    cursor_parameter: Word = "cursor"
    limit_parameter: Word = "limit"

    @property
    def needs_secret(self) -> bool:
        return self.auth != "none"


class PortalSettings(FileSettings):
    """A photo portal whose credentials are in the settings of portals; see its collections."""

    portal: PortalName
    audience: Audience = "both"
    contact_filter: ContactFilter = "any"
    registered_only: bool = False
    images_required: bool = True
    jobs: Annotated[list[JobId], Field(max_length=1000)] = Field(default_factory=list)
    allow_partial: bool = False


class _SourceIn(TenantBody):
    name: Name


class FileSourceIn(_SourceIn):
    """Contacts come by imports of files that name this source (`csv`), or by hand (`manual`)."""

    type: Literal["csv", "manual"]
    settings: FileSettings = Field(default_factory=FileSettings)


class ReadSourceIn(_SourceIn):
    """A source that is asked for its contacts."""

    sync_every_minutes: Period | None = Field(default=None, description="Absent: only when asked to")


class SignedSourceIn(ReadSourceIn):
    type: Literal["scraper-pro", "backlink-engine"]
    settings: RemoteSettings


class ApiSourceIn(ReadSourceIn):
    type: Literal["api"]
    settings: ApiSettings


class PortalSourceIn(ReadSourceIn):
    type: Literal["netlife"]
    settings: PortalSettings


SourceIn = Annotated[
    FileSourceIn | SignedSourceIn | ApiSourceIn | PortalSourceIn, Field(discriminator="type")
]
SETTINGS: dict[str, type[FileSettings]] = {
    "csv": FileSettings,
    "manual": FileSettings,
    "scraper-pro": RemoteSettings,
    "backlink-engine": RemoteSettings,
    "api": ApiSettings,
    "netlife": PortalSettings,
}


class SourceUpdate(PatchBody):
    """Fields that are given change, also inside `settings`. A new address wants its secret with it.

    `sync_every_minutes: null` ends the syncs that come by themselves.
    """

    name: Name = ""
    sync_every_minutes: Period | None = None
    settings: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def required(cls) -> tuple[str, ...]:
        return ("name", "settings")


class SyncIn(BaseModel):
    """`force`: read everything again, not only what came after the last time."""

    model_config = ConfigDict(extra="forbid")

    force: bool = False


class LastSync(BaseModel):
    """The latest import from this source: its rejected rows are at `/contacts/…/imports/{import_id}`."""

    import_id: UUID
    job_id: UUID | None
    status: ImportStatus
    error: str | None
    total: int
    created: int
    updated: int
    unchanged: int
    duplicate: int
    rejected: int
    created_at: datetime
    finished_at: datetime | None


class SourceOut(BaseModel):
    """`cursor` is how far the source was read, in its own words."""

    id: UUID
    tenant_id: UUID
    name: str
    type: SourceType
    settings: dict[str, Any]
    has_secret: bool
    cursor: str | None
    sync_every_minutes: int | None
    next_sync_at: datetime | None
    contact_count: int
    last_sync_at: datetime | None
    last_sync: LastSync | None = None
    created_at: datetime
    updated_at: datetime


class SyncAccepted(BaseModel):
    """`import_id` is the report, once there is one: a portal's begins when the portal has been read."""

    source_id: UUID
    type: SourceType
    job_id: UUID
    import_id: UUID | None
    status: ImportStatus
    message: str


class DeletedSource(BaseModel):
    id: UUID
