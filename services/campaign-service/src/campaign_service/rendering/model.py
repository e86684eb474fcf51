"""What goes into a rendering and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from shared.errors import ValidationError


class TemplateSyntaxError(ValidationError):
    """The Liquid of one field cannot be read; `details` has `line` and `column` (both from 1)."""

    code = "TEMPLATE_SYNTAX_ERROR"


class RenderError(Exception):
    """One recipient's mail cannot be made: a limit was reached or a filter refused its input."""


class RenderLimitError(RenderError):
    """The template asks for more than any mail may take."""


@dataclass(frozen=True, slots=True)
class Content:
    """One language of a template version, as its author wrote it. `text` None: made from the HTML."""

    subject: str
    html: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class CampaignInfo:
    """What every mail of a campaign has in common.

    `has_link_trap`: each has a link that no person sees, so that who follows it is known for a scanner.
    """

    tenant_id: UUID
    id: UUID
    name: str
    from_name: str | None
    from_email: str
    reply_to: str | None = None
    default_language: str = "en"
    has_link_trap: bool = False


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person of the audience. `repeat` counts earlier attempts of which the outcome is unknown."""

    contact_id: UUID
    email: str
    language: str = "en"
    first_name: str | None = None
    last_name: str | None = None
    country: str | None = None
    custom: Mapping[str, Any] = field(default_factory=dict)
    variant: int = 0
    repeat: int = 0
    code: str | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """Envelope and message; `content` is RFC 5322 with CRLF line ends and without dot-stuffing.

    `utf8`: an address in it has letters beyond ASCII, which only servers with SMTPUTF8 take (RFC 6531).
    """

    sender: str
    recipient: str
    content: bytes
    utf8: bool = False


class Mails(Protocol):
    """The mails of one campaign."""

    def mail(self, recipient: Recipient) -> OutgoingMail:
        """Raises RenderError when this recipient's mail cannot be made."""
        ...


@dataclass(frozen=True, slots=True)
class Preview:
    """A rendering to look at: the engine of the send, without tracking."""

    subject: str
    html: str
    text: str
    warnings: tuple[str, ...]
