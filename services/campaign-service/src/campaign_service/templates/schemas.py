"""Shapes of templates in requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from campaign_service.contacts.types import (
    CustomFields,
    LanguageCode,
    Line,
    Name,
    PatchBody,
    ShortLine,
    TenantBody,
)

MAX_HTML = 1_000_000
Subject = Annotated[str, StringConstraints(min_length=1, max_length=998, pattern=r"^[^\x00\r\n]*$")]
Html = Annotated[str, StringConstraints(min_length=1, max_length=MAX_HTML, pattern=r"^[^\x00]*$")]
PlainText = Annotated[str, StringConstraints(max_length=MAX_HTML, pattern=r"^[^\x00]*$")]


class ContentIn(BaseModel):
    """One language. Without `text`, the text part is made from the HTML."""

    model_config = ConfigDict(extra="forbid")

    subject: Subject
    html: Html
    text: PlainText | None = None


Contents = Annotated[dict[LanguageCode, ContentIn], Field(min_length=1, max_length=50)]
Changes = Annotated[dict[LanguageCode, ContentIn | None], Field(max_length=50)]


class TemplateIn(TenantBody):
    """A new template: `contents` by language, or one language as `language`, `subject`, `html`, `text`."""

    name: Name
    category: ShortLine | None = None
    default_language: LanguageCode | None = Field(
        default=None, description="Default: en, or the only language"
    )
    contents: Contents | None = None
    language: LanguageCode | None = None
    subject: Subject | None = None
    html: Html | None = None
    text: PlainText | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        single = self.subject is not None or self.html is not None or self.text is not None
        if single == (self.contents is not None):
            raise ValueError("give either contents or subject and html")
        if single and (self.subject is None or self.html is None):
            raise ValueError("subject and html are both required")
        return self

    def all_contents(self) -> dict[str, ContentIn]:
        if self.contents is not None:
            return self.contents
        assert self.subject is not None
        assert self.html is not None
        language = self.language or self.default_language or "en"
        return {language: ContentIn(subject=self.subject, html=self.html, text=self.text)}


class TemplateUpdate(PatchBody):
    """Given fields change. Given languages replace those of the current version, null takes one away."""

    name: Name = ""
    category: ShortLine | None = None
    default_language: LanguageCode = ""
    contents: Changes = Field(default_factory=dict)

    @classmethod
    def required(cls) -> tuple[str, ...]:
        return ("name", "default_language", "contents")


class ContentOut(BaseModel):
    """`text` null: it is made from the HTML."""

    subject: str
    html: str
    text: str | None


class TemplateSummary(BaseModel):
    id: UUID
    tenant_id: UUID
    name: str
    category: str | None
    default_language: str
    version: int
    languages: list[str]
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class TemplateOut(TemplateSummary):
    """`contents` are those of the version that was asked for, by default the current one."""

    contents: dict[str, ContentOut]


class VersionOut(BaseModel):
    """A version never changes; campaigns keep the one they started with."""

    version: int
    languages: list[str]
    created_at: datetime


class SamplePerson(BaseModel):
    """An invented recipient."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    email: Line = "anna@example.com"
    first_name: Line | None = "Anna"
    last_name: Line | None = "Berg"
    country: ShortLine | None = None
    custom: CustomFields = Field(default_factory=dict)


class PreviewIn(BaseModel):
    """For a real contact (`contact_id`) or an invented one (`sample`); `language` overrules theirs."""

    model_config = ConfigDict(extra="forbid")

    contact_id: UUID | None = None
    sample: SamplePerson | None = None
    language: LanguageCode | None = None
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    campaign_name: Line = "Preview"


class PreviewOut(BaseModel):
    """What the person would get, without tracking. `language` is the one that was chosen for them."""

    subject: str
    html: str
    text: str
    language: str
    version: int
    warnings: list[str]


class ArchivedTemplate(BaseModel):
    id: UUID
    archived_at: datetime
