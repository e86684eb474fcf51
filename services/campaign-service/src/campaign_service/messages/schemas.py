"""Shapes of single messages in requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from campaign_service.attachments.schemas import MessageAttachments
from campaign_service.contacts.types import EmailAddress, LanguageCode, Line, Phone
from campaign_service.templates.schemas import Html, PlainText, Subject

MessageState = Literal[
    "queued",
    "attempting",
    "accepted",
    "delivered",
    "bounced_hard",
    "bounced_soft",
    "complained",
    "failed_retry",
    "failed",
    "ambiguous",
    "skipped",
]
Purpose = Literal["transactional", "marketing"]
Channel = Literal["email", "sms"]


class To(BaseModel):
    """`email` or `phone`, as the message's channel needs it."""

    model_config = ConfigDict(extra="forbid")

    email: EmailAddress | None = None
    phone: Phone | None = None
    name: Line | None = None
    language: LanguageCode | None = None


class From(BaseModel):
    """Whom a message that another service asks for is from."""

    from_email: EmailAddress | None = None
    from_name: Line | None = None
    reply_to: EmailAddress | None = None


class MessageIn(BaseModel):
    """One mail or text: from a template (`template_id`), or with its own subject and html or text.

    `variables` fill both. `purpose` marketing is held back by any suppression, transactional mail by those
    of scope `all`. A text (`channel` sms) has `text` alone, or a template's text part; who opted out gets
    none at all.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    channel: Channel = "email"
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
    attachments: MessageAttachments = Field(
        default_factory=list, description="Beside those of the template; 10 MiB together unless set otherwise"
    )

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if self.channel == "sms":
            return self._one_text()
        if self.to.email is None:
            raise ValueError("to.email is required")
        own = any(value is not None for value in (self.subject, self.html, self.text))
        if own == (self.template_id is not None):
            raise ValueError("give either template_id or subject with html or text")
        if own and (self.subject is None or (self.html is None and self.text is None)):
            raise ValueError("subject and one of html and text are required")
        return self

    def _one_text(self) -> Self:
        if self.to.phone is None:
            raise ValueError("to.phone is required")
        if (self.text is not None) == (self.template_id is not None):
            raise ValueError("give either template_id or text")
        if any((self.subject, self.html, self.from_email, self.from_name, self.reply_to, self.attachments)):
            raise ValueError("a text has no subject, html, attachments or sender of its own")
        return self


class MessageOut(BaseModel):
    """`possible_repeats` counts attempts whose outcome a crash left unknown before the next one.

    `last_code` and `last_detail` are the last words of a mail server about it.
    """

    id: UUID
    channel: Channel
    purpose: Purpose
    to: str
    to_name: str | None
    template: str | None
    language: str | None
    from_email: str | None
    from_name: str | None
    reply_to: str | None
    subject: str | None
    state: MessageState
    skip_reason: str | None
    attempts: int
    possible_repeats: int
    last_code: str | None
    last_detail: str | None
    next_attempt_at: datetime | None
    created_at: datetime
    accepted_at: datetime | None
    delivered_at: datetime | None
    bounced_at: datetime | None
    complained_at: datetime | None


class MessageDetail(MessageOut):
    """With the mail as it is (or was) sent."""

    html: str | None
    text: str | None
