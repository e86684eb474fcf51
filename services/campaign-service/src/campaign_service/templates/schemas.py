"""Shapes of templates in requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from campaign_service.contacts.fields import language_code
from campaign_service.contacts.types import (
    CustomFields,
    LanguageCode,
    Line,
    Name,
    PatchBody,
    ShortLine,
    TenantBody,
)
from campaign_service.rendering import content_key

MAX_HTML = 1_000_000
Subject = Annotated[str, StringConstraints(min_length=1, max_length=998, pattern=r"^[^\x00\r\n]*$")]
Html = Annotated[str, StringConstraints(min_length=1, max_length=MAX_HTML, pattern=r"^[^\x00]*$")]
PlainText = Annotated[str, StringConstraints(max_length=MAX_HTML, pattern=r"^[^\x00]*$")]


Format = Literal["html", "mjml"]


class ContentIn(BaseModel):
    """One content: `html`, or `mjml` from which the HTML is made (also as `html` with `format` mjml).

    Without `text`, the text part is made from the HTML.
    """

    model_config = ConfigDict(extra="forbid")

    subject: Subject
    html: Html | None = None
    text: PlainText | None = None
    format: Format | None = None
    mjml: Html | None = None

    @model_validator(mode="before")
    @classmethod
    def _source(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        given = dict(data)
        if given.get("format") == "mjml" and given.get("mjml") is None:
            given["mjml"] = given.pop("html", None)
        if given.get("format") == "html" and given.get("mjml") is not None:
            raise ValueError("with format html there is no mjml")
        if given.get("html") is None and given.get("mjml") is None:
            raise ValueError("give html or mjml")
        return given


def _content_key(value: str) -> str:
    language, slash, category = value.partition("/")
    code = language_code(language)
    if code is None:
        raise ValueError("not a language; give a code such as en")
    key = content_key(code, category)
    if slash and "/" not in key:
        raise ValueError("the category after the slash is empty")
    return key


ContentKey = Annotated[str, StringConstraints(max_length=100), AfterValidator(_content_key)]
Contents = Annotated[
    dict[ContentKey, ContentIn],
    Field(min_length=1, max_length=50, description="By language (`fr`), or language/category (`fr/shops`)"),
]
Changes = Annotated[dict[ContentKey, ContentIn | None], Field(max_length=50)]


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
    format: Format | None = None
    mjml: Html | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        single = any(part is not None for part in (self.subject, self.html, self.text, self.mjml))
        if single == (self.contents is not None):
            raise ValueError("give either contents or subject and html")
        if single and (self.subject is None or (self.html is None and self.mjml is None)):
            raise ValueError("subject and html are both required")
        return self

    def all_contents(self) -> dict[str, ContentIn]:
        if self.contents is not None:
            return self.contents
        assert self.subject is not None
        language = self.language or self.default_language or "en"
        parts = {"html": self.html, "text": self.text, "format": self.format, "mjml": self.mjml}
        return {language: ContentIn.model_validate({"subject": self.subject, **parts})}


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
    """`text` null: it is made from the HTML, which is made from `mjml` where `format` is mjml."""

    subject: str
    html: str
    text: str | None
    format: Format
    mjml: str | None


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
    category: ShortLine | None = None
    first_name: Line | None = "Anna"
    last_name: Line | None = "Berg"
    country: ShortLine | None = None
    custom: CustomFields = Field(default_factory=dict)


class PreviewIn(BaseModel):
    """For a real contact (`contact_id`) or an invented one (`sample`); `language` overrules theirs."""

    model_config = ConfigDict(extra="forbid")

    contact_id: UUID | None = None
    sample: SamplePerson | None = None
    language: ContentKey | None = None
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    campaign_name: Line = "Preview"
    campaign_id: UUID | None = Field(default=None, description="Whose sender and name are shown")
    code: ShortLine = Field(default="SAMPLE-CODE", description="In place of {{ code }}")


class PreviewOut(BaseModel):
    """What the person would get, without tracking. `language` is the one that was chosen for them.

    `headers` are names and values in the order of the mail, decoded; their links are of nobody.
    """

    subject: str
    html: str
    text: str
    headers: list[tuple[str, str]]
    language: str
    version: int
    warnings: list[str]


class ArchivedTemplate(BaseModel):
    id: UUID
    archived_at: datetime
