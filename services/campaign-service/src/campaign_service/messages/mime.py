"""A stored message as the mail that travels."""

from __future__ import annotations

import email.policy
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from uuid import UUID

from campaign_service.rendering.model import OutgoingMail

_POLICY = email.policy.SMTP.clone(max_line_length=200)


def outgoing(message_id: UUID, row: Mapping[str, Any], mail_domain: str, repeats: int) -> OutgoingMail:
    """Envelope and content. The Message-ID depends on the message alone: a repeat is recognisable."""
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = _address(row["from_email"], row["from_name"])
    mail["To"] = _address(row["recipient_email"], row["recipient_name"])
    if row["reply_to"]:
        mail["Reply-To"] = _address(row["reply_to"], None)
    mail["Subject"] = row["subject"]
    mail["Date"] = format_datetime(row["created_at"])
    mail["Message-ID"] = f"<m-{message_id.hex}@{mail_domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    if repeats:
        mail["X-Tidings-Repeat"] = str(repeats)
    if row["text"] is not None:
        mail.set_content(row["text"])
        if row["html"] is not None:
            mail.add_alternative(row["html"], subtype="html")
    else:
        mail.set_content(row["html"], subtype="html")
    return OutgoingMail(f"m-{message_id.hex}@{mail_domain}", row["recipient_email"], mail.as_bytes())


def _address(address: str, name: str | None) -> Address:
    return Address(display_name=name or "", addr_spec=address)
