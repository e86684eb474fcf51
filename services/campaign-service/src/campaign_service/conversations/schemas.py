"""Shapes of conversations and leads: the shared business models, and what our tables know beside."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from campaign_service.contacts.types import Line, PatchBody
from campaign_service.sms.schemas import E164, TextBody
from shared.models.business import Call, Conversation, Message

ConversationStatus = Literal["open", "waiting", "closed", "opted_out"]
LeadStatus = Literal["new", "contacted", "qualified", "won", "lost"]
Description = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00]*$")]
MAX_BODY = 1600
_STATUSES = {
    "attempting": "queued",
    "ambiguous": "sent",
    "skipped": "failed",
}


class ConversationOut(Conversation):
    contact_id: UUID | None


class ConversationDetail(ConversationOut):
    """With its latest calls."""

    calls: list[Call]


class ConversationPatch(BaseModel):
    """Closed is what needs no answer. Whatever is said next opens it again."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["open", "waiting", "closed"]


class TextIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    body: TextBody


class TextOut(Message):
    """`state` is finer than `status`: a text of which no answer came is `ambiguous` and never sent again."""

    state: str
    purpose: str
    segments: int
    price_micros: int
    currency: str | None
    error_code: str | None

    @classmethod
    def of(cls, row: dict[str, Any]) -> TextOut:
        status = _STATUSES.get(row["state"], row["state"])
        return cls.model_validate(
            {**row, "status": status, "price_micros": row["price"], "body": row["body"][:MAX_BODY]}
        )


class ConversationIn(BaseModel):
    """Whom to write to; `business_phone` is one of the tenant's numbers, by default the first."""

    model_config = ConfigDict(extra="forbid")

    customer_phone: E164
    business_phone: E164 | None = None


class LeadIn(BaseModel):
    """A lead that came by another way than a call."""

    model_config = ConfigDict(extra="forbid")

    customer_phone: E164
    customer_name: Line | None = None
    problem_description: Description | None = None
    source: Line | None = "manual"
    estimated_value: Annotated[int, Field(ge=0, le=2**53)] | None = None


class LeadPatch(PatchBody):
    """Given fields change; null takes a value away."""

    customer_name: Line | None = None
    problem_description: Description | None = None
    status: LeadStatus = "new"
    estimated_value: Annotated[int, Field(ge=0, le=2**53)] | None = None

    @classmethod
    def required(cls) -> tuple[str, ...]:
        return ("status",)
