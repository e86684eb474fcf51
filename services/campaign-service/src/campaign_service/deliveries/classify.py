"""What a bounce means for the contact."""

from __future__ import annotations

import re

from campaign_service.deliveries.rows import BounceClass

# Categories as PowerMTA ships them; installations add their own, which then fall to the status code.
_HARD = frozenset({"bad-mailbox", "inactive-mailbox", "bad-domain"})
_SOFT = frozenset({"quota-issues", "no-answer-from-host", "relaying-issues", "routing-errors"})
_OTHER = frozenset(
    {
        "bad-connection",
        "bad-configuration",
        "content-related",
        "invalid-sender",
        "message-expired",
        "policy-related",
        "protocol-errors",
        "spam-related",
        "virus-related",
    }
)
# RFC 3463: the mailbox or its domain does not exist, is disabled or has moved.
_HARD_STATUS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
# Mailbox full, or a mailbox-side limit: may pass later even with a permanent code.
_SOFT_STATUS = frozenset({"5.2.2", "5.2.3", "5.4.4", "5.4.6"})
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")


def enhanced_status(text: str) -> str:
    """The leading `x.y.z` of a DSN status such as `5.1.1 (bad mailbox)`; '' without one."""
    match = _STATUS.search(text)
    return match[0] if match else ""


def classify_bounce(category: str, status: str) -> BounceClass:
    """`hard`: the address is dead. `soft`: counts towards giving up. `other`: says nothing about the contact.

    A known category decides; an unknown one (or `other`) leaves it to the enhanced status code. A temporary
    (4.x.x) code is no proof that a mailbox is dead.
    """
    known = category.strip().lower()
    code = enhanced_status(status)
    if known in _OTHER:
        return "other"
    if known in _SOFT:
        return "soft"
    if known in _HARD:
        return "soft" if code.startswith("4") else "hard"
    if code in _HARD_STATUS:
        return "hard"
    return "soft" if code.startswith("4") or code in _SOFT_STATUS else "other"
