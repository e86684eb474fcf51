"""Shapes of sending domains."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from .signing import Algorithm

Sign = Literal["verified", "always", "never"]


def _domain(value: str) -> str:
    try:
        name = value.strip().rstrip(".").lower().encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError("not a domain") from None
    labels = name.split(".")
    if len(labels) < 2 or len(name) > 253 or not all(_is_label(label) for label in labels):
        raise ValueError("not a domain")
    return name


def _is_label(label: str) -> bool:
    return label.replace("-", "").isalnum() and label.isascii() and not label.startswith("-")


DomainName = Annotated[str, StringConstraints(min_length=3, max_length=253), AfterValidator(_domain)]
Selector = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$")]


class DomainIn(BaseModel):
    """A domain of the tenant's senders. `sign`: only with keys the DNS was seen to have, or always."""

    model_config = ConfigDict(extra="forbid")

    domain: DomainName
    selector: Selector = Field(default="tidings", description="The Ed25519 key has `-ed` behind it")
    sign: Sign = "verified"


class DomainUpdate(BaseModel):
    """A new `selector` makes new keys; the ones before sign until the new ones are verified."""

    model_config = ConfigDict(extra="forbid")

    selector: Selector | None = None
    sign: Sign | None = None


class RecordOut(BaseModel):
    """What to publish. `strings`: the value in pieces of at most 255 characters, for name servers."""

    type: Literal["TXT"] = "TXT"
    name: str
    value: str
    strings: list[str]


class KeyOut(BaseModel):
    """`verified_at`: since when the DNS has it; `fault`: what it said when it was asked last."""

    selector: str
    algorithm: Algorithm
    record: RecordOut
    verified_at: datetime | None
    checked_at: datetime | None
    fault: str | None
    created_at: datetime


class DomainOut(BaseModel):
    """`signs`: whether mails from this domain are signed now. Private keys are never given out."""

    id: UUID
    tenant_id: UUID
    domain: str
    sign: Sign
    signs: bool
    keys: list[KeyOut]
    created_at: datetime
    updated_at: datetime


class VerifiedOut(DomainOut):
    """`dns`: `unknown` when the DNS could not be asked; the keys are as they were then."""

    dns: Literal["answered", "unknown"]
