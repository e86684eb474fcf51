"""What names a single message in its mail: Message-ID, envelope sender and envelope id are all the same.

An id is made at random in 74 bits, so a report that names it comes from somebody who has seen the mail.
"""

from __future__ import annotations

import re
from uuid import UUID

from campaign_service.rendering.site import Site

#: In the place of a campaign's contact, in what names a single message's reader.
_READER = UUID(int=0)
_REFERENCE = re.compile(r"m-([0-9a-f]{32})")


def reference(message_id: UUID) -> str:
    """The local part of a message's Message-ID and bounce address."""
    return f"m-{message_id.hex}"


def message_of(text: str) -> UUID | None:
    """The message that a reference names, with or without `<>` and domain; None for anything else."""
    found = _REFERENCE.fullmatch(text.strip().strip("<> ").partition("@")[0].lower())
    return UUID(found[1]) if found else None


def subject_of(message_id: UUID) -> tuple[UUID, UUID]:
    """What stands for campaign and contact where the reader of a single message unsubscribes."""
    return message_id, _READER


def message_subject(campaign_id: UUID, contact_id: UUID) -> UUID | None:
    """The message whose reader is meant; None for somebody of a campaign."""
    return campaign_id if contact_id == _READER else None


def unsubscribe_url(site: Site, tenant_id: UUID, message_id: UUID) -> str:
    return site.unsubscribe_url(site.token(tenant_id, *subject_of(message_id)))


def unsubscribing(site: Site, tenant_id: UUID, message_id: UUID) -> list[str]:
    """Lines of a header: by one click (RFC 8058), or by a mail."""
    address = f"u-{site.refs.make(*subject_of(message_id))}@{site.mail_domain}"
    return [
        f"List-Unsubscribe: <{unsubscribe_url(site, tenant_id, message_id)}>,",
        f" <mailto:{address}?subject=unsubscribe>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    ]
