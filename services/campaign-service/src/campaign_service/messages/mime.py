"""A stored message as the mail that travels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import format_datetime
from typing import Any
from uuid import UUID

from campaign_service.messages.references import reference
from campaign_service.rendering.mime import File, Kind, layout
from campaign_service.rendering.model import OutgoingMail, RenderError
from campaign_service.rendering.quoted import encode_address, encode_block, encode_header, safe_address


def outgoing(
    message_id: UUID,
    row: Mapping[str, Any],
    mail_domain: str,
    repeats: int,
    files: Sequence[File] = (),
    lines: Sequence[str] = (),
) -> OutgoingMail:
    """Envelope and content, with `lines` in its header. The Message-ID depends on the message alone: a repeat
    is recognisable.

    Raises RenderError for an address that no mail can have.
    """
    identity = f"{reference(message_id)}@{mail_domain}"
    addresses = [("From", row["from_email"], row["from_name"])]
    addresses.append(("To", row["recipient_email"], row["recipient_name"]))
    if row["reply_to"]:
        addresses.append(("Reply-To", row["reply_to"], None))
    head = b"".join(_address_line(*line) for line in addresses)
    head += b"Subject: " + encode_header(row["subject"], used=9) + b"\r\n"
    head += "".join(f"{line}\r\n" for line in [*_fixed(row, identity, repeats), *lines]).encode("ascii")
    content = head + b"".join(_body(message_id, row, files))
    return OutgoingMail(identity, _usable(row["recipient_email"]), content, utf8=not head.isascii())


def _fixed(row: Mapping[str, Any], identity: str, repeats: int) -> list[str]:
    return [
        f"Date: {format_datetime(row['created_at'])}",
        f"Message-ID: <{identity}>",
        f"X-Envid: {identity.partition('@')[0]}",
        "Auto-Submitted: auto-generated",
        *([f"X-Tidings-Repeat: {repeats}"] if repeats else []),
        "MIME-Version: 1.0",
    ]


def _usable(address: str) -> str:
    safe = safe_address(address)
    if safe is None:
        raise RenderError(f"the address {address!r} cannot be used in a mail")
    return safe


def _address_line(header: str, address: str, name: str | None) -> bytes:
    value = encode_address(name, _usable(address), used=len(header) + 2)
    return f"{header}: ".encode("ascii") + value + b"\r\n"


def _body(message_id: UUID, row: Mapping[str, Any], files: Sequence[File]) -> list[bytes]:
    texts: dict[Kind, str] = {"text": row["text"], "html": row["html"]}
    bodies = [kind for kind, text in texts.items() if text is not None]
    pieces = layout(message_id.hex.encode("ascii"), bodies, row["html"] or "", files)
    encoded = [piece if isinstance(piece, bytes) else encode_block(texts[piece]) for piece in pieces]
    return encoded if encoded[-1].endswith(b"\r\n") else [*encoded, b"\r\n"]
