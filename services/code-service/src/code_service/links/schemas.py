"""Shapes of short links."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StringConstraints,
    field_serializer,
    model_validator,
)

from code_service.codes.schemas import Body, Line, Moment
from code_service.links.urls import MAX_URL, clean_url

_RESERVED = frozenset(("redirect", "stats", "admin", "api", "health", "docs", "login"))


def _not_reserved(slug: str) -> str:
    if slug.lower() in _RESERVED:
        raise ValueError("this slug is reserved")
    return slug


Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{3,64}$"), AfterValidator(_not_reserved)]
Url = Annotated[str, StringConstraints(max_length=MAX_URL), AfterValidator(clean_url)]


class Utm(Body):
    """Parameters for campaign reports; those that are given go into the address."""

    source: Line | None = None
    medium: Line | None = None
    campaign: Line | None = None
    term: Line | None = None
    content: Line | None = None

    def parameters(self) -> dict[str, str]:
        """`utm_source` and so on, the given ones."""
        return {f"utm_{name}": value for name, value in self.model_dump(exclude_none=True).items()}


class LinkIn(Body):
    """A new link. `original_url` and `target_url` are other names of `url`; `utm_source` of `utm.source`."""

    url: Url
    slug: Slug | None = None
    title: Line | None = None
    utm: Utm = Field(default_factory=Utm)
    expires_at: Moment | None = None

    @model_validator(mode="before")
    @classmethod
    def _other_names(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        given = dict(data)
        for name in ("original_url", "target_url"):
            if name in given and "url" not in given:
                given["url"] = given.pop(name)
        flat = {key[4:]: given.pop(key) for key in list(given) if str(key).startswith("utm_")}
        return given | {"utm": flat} if flat and "utm" not in given else given


class LinkUpdate(Body):
    """Fields that are given change. The short id stays."""

    url: Url = ""
    title: Line | None = None
    utm: Utm = Field(default_factory=Utm)
    is_active: bool = True
    expires_at: Moment | None = None


class LinkOut(BaseModel):
    """`clicks` are of people; those of robots and mail scanners are counted beside."""

    id: UUID
    short_id: str
    short_url: str
    url: str
    target_url: str
    utm: dict[str, str]
    title: str | None
    is_active: bool
    expires_at: datetime | None
    clicks: int
    scanner_clicks: int
    created_at: datetime
    updated_at: datetime

    @field_serializer("utm")
    def _plain(self, utm: dict[str, str]) -> dict[str, str]:
        return {name.removeprefix("utm_"): value for name, value in utm.items()}


Reference = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class ReferencedLink(Body):
    """A link another service asks for; `reference` is what that service calls it."""

    reference: Reference
    url: Annotated[str, StringConstraints(max_length=10_000)]
    title: Line | None = None


class InternalLinksIn(Body):
    """Links of one tenant, each with a reference of its own."""

    tenant_id: UUID
    links: Annotated[list[ReferencedLink], Field(min_length=1, max_length=200)]


class ShortLink(BaseModel):
    """Without an address where no link can lead to what was asked for."""

    reference: str
    id: UUID | None
    short_url: str | None


class DeletedLink(BaseModel):
    id: UUID


class DayClicks(BaseModel):
    """`visitors` are different people of that day, as far as their addresses tell."""

    day: date
    clicks: int
    visitors: int
    scanner_clicks: int


class Share(BaseModel):
    """Clicks of people by one value; '' for none."""

    name: str
    clicks: int


class LinkStats(BaseModel):
    """UTC days. Robots and mail scanners are in `scanner_clicks` alone."""

    clicks: int
    scanner_clicks: int
    days: list[DayClicks]
    referrers: list[Share]
    devices: list[Share]
