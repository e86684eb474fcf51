"""The header lines of a bulk mail."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from shared.errors import ValidationError

from .model import CampaignInfo
from .quoted import encode_address, safe_address
from .site import Site


class Fixed(NamedTuple):
    """Header lines that are the same for every recipient; each block ends in CRLF."""

    before_recipient: bytes
    after_recipient: bytes


def fixed(campaign: CampaignInfo, site: Site) -> Fixed:
    """Raises ValidationError when the campaign's own addresses cannot be used."""
    sender = _address("from_email", campaign.from_name, campaign.from_email, used=6)
    before = b"From: " + sender + b"\r\n"
    if campaign.reply_to:
        before += b"Reply-To: " + _address("reply_to", None, campaign.reply_to, used=10) + b"\r\n"
    lines = [
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        f"List-Id: <{campaign.tenant_id.hex}.{site.mail_domain}>",
        f"Feedback-ID: {campaign.id.hex}:{campaign.tenant_id.hex}:bulk:{_sender_id(site.mail_domain)}",
        f"X-Campaign-Id: {campaign.id}",
        f"X-Job: {campaign.id}",
        "MIME-Version: 1.0",
    ]
    return Fixed(before, "".join(f"{line}\r\n" for line in lines).encode("ascii"))


def _address(field: str, name: str | None, address: str, *, used: int) -> bytes:
    safe = safe_address(address)
    if safe is None:
        raise ValidationError(f"The address {address!r} cannot be used in a mail", field=field)
    return encode_address(name, safe, used=used)


def _sender_id(domain: str) -> str:
    """Feedback-ID's last field: 5 to 15 characters, the same for all mails of this installation."""
    return re.sub(r"[^a-z0-9]", "", domain.lower())[:15].ljust(5, "0")


def per_recipient(campaign: CampaignInfo, site: Site) -> Callable[[dict[str, Any]], bytes]:
    """Header lines of one mail, from the end of the subject line on."""
    domain, base = site.mail_domain, site.public_url

    def lines(variables: dict[str, Any]) -> bytes:
        recipient, _, ref, token = variables["_m"]
        repeat = f"X-Tidings-Repeat: {recipient.repeat}\r\n" if recipient.repeat else ""
        return (
            f"\r\nMessage-ID: <{ref}@{domain}>\r\n"
            f"X-Envid: {ref}\r\n"
            f"{repeat}"
            f"List-Unsubscribe: <{base}/t/u/{token}>,\r\n"
            f" <mailto:u-{ref}@{domain}?subject=unsubscribe>\r\n"
        ).encode("ascii")

    return lines
