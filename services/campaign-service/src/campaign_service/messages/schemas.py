"""Shapes of single messages in requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from campaign_service.contacts.types import EmailAddress, LanguageCode, Line
from campaign_service.templates.schemas import Html, PlainText, Subject

MessageState = Literal[
    "queued",
    "attempting",
    "accepted",
    "delivered",
    "bounced_hard",
    "bounced_soft",
    "failed_retry",
    "failed",
    "ambiguous",
    "skipped",
]
Purpose = Literal["transactional", "marketing"]


class To(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: EmailAddress
    name: Line | None = None
    language: LanguageCode | None = None


class From(BaseModel):
    """Whom a message that another service asks for is from."""

    from_email: EmailAddress | None = None
    from_name: Line | None = None
    reply_to: EmailAddress | None = None


class MessageIn(BaseModel):
    """One mail: from a template (`template_id`), or with its own subject and html or text.

    `variables` fill both. `purpose` marketing is held back by any suppression; transactional mail by none.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    to: To
    template_id: UUID | None = None
    subject: Subject | None = None
    html: Html | None = None
    text: PlainText | None = None
    variables: Annotated[dict[str, Any], Field(max_length=200)] = Field(default_factory=dict)
    from_email: EmailAddress | None = None
    from_name: Line | None = None
    reply_to: EmailAddress | None = None
    purpose: Purpose = "transactional"

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        own = any(value is not None for value in (self.subject, self.html, self.text))
        if own == (self.template_id is not None):
            raise ValueError("give either template_id or subject with html or text")
        if own and (self.subject is None or (self.html is None and self.text is None)):
            raise ValueError("subject and one of html and text are required")
        return self


class MessageOut(BaseModel):
    """`possible_repeats` counts attempts whose outcome a crash left unknown before the next one."""

    id: UUID
    channel: Literal["email"]
    purpose: Purpose
    to: str
    to_name: str | None
    template: str | None
    language: str | None
    from_email: str
    from_name: str | None
    reply_to: str | None
    subject: str
    state: MessageState
    skip_reason: str | None
    attempts: int
    possible_repeats: int
    last_code: str | None
    last_detail: str | None
    next_attempt_at: datetime | None
    created_at: datetime
    accepted_at: datetime | None


class MessageDetail(MessageOut):
    """With the mail as it is (or was) sent."""

    html: str | None
    text: str | None
