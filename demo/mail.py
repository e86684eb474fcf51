"""A received mail as its reader's program sees it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

_PIXEL = re.compile(r'<img[^>]+src="([^"]*/t/o/[^"]+)"')
_LINK = re.compile(r'<a[^>]+href="([^"]*/t/c/[^"]+)"')
_UNSUBSCRIBE = re.compile(r"<(https?://[^>]+)>")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the receiving server noted.

    `sender` is the bounce address, `reference` our name for the mail, `job` the campaign.
    """

    number: int
    sender: str
    recipient: str
    reference: str
    subject: str
    received_at: datetime
    job: str = ""

    @classmethod
    def of(cls, summary: dict[str, Any]) -> Envelope:
        """From one entry of the mail catcher's list."""
        return cls(
            number=int(summary["id"]),
            sender=summary["from"],
            recipient=summary["to"][0].lower(),
            reference=summary["message_id"].strip("<>").partition("@")[0],
            subject=summary["subject"],
            received_at=datetime.fromisoformat(summary["received_at"]).astimezone(UTC),
            job=summary["job"],
        )


@dataclass(frozen=True, slots=True)
class Mail:
    """Content of a campaign's mail, with the addresses that its reader can request."""

    subject: str
    html: str
    text: str
    pixel: str
    links: tuple[str, ...]
    unsubscribe: str
    headers: EmailMessage

    @classmethod
    def parse(cls, content: bytes) -> Mail:
        """Raises ValueError for a mail without pixel or unsubscribe address."""
        message = message_from_bytes(content, _class=EmailMessage, policy=default)
        html = _part(message, "html")
        pixel = _PIXEL.search(html)
        unsubscribe = _UNSUBSCRIBE.search(str(message["List-Unsubscribe"]))
        if pixel is None or unsubscribe is None:
            raise ValueError(f"mail {message['Message-ID']} has no pixel or no unsubscribe address")
        return cls(
            subject=str(message["Subject"]),
            html=html,
            text=_part(message, "plain"),
            pixel=pixel[1],
            links=tuple(dict.fromkeys(_LINK.findall(html))),
            unsubscribe=unsubscribe[1],
            headers=message,
        )


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""
