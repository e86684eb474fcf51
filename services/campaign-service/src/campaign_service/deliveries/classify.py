"""What a bounce means for the contact."""

from __future__ import annotations

import re

from campaign_service.deliveries.rows import BounceClass
from campaign_service.sending.replies import Kind, Reply, classify, kind_of_status

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
_CLASSES: dict[Kind, BounceClass] = {
    "user_unknown": "hard",
    "mailbox": "soft",
    "retry": "soft",
    "policy": "other",
    "accepted": "other",
}
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_BASIC = re.compile(r"(?:^|[;\s])([45]\d\d)[ -](.*)", re.DOTALL)


def enhanced_status(text: str) -> str:
    """The leading `x.y.z` of a DSN status such as `5.1.1 (bad mailbox)`; '' without one."""
    match = _STATUS.search(text)
    return match[0] if match else ""


def classify_bounce(category: str, status: str, diagnostic: str = "") -> BounceClass:
    """`hard`: the address is dead. `soft`: counts towards giving up. `other`: says nothing about the contact.

    A known category decides; an unknown one (or `other`) leaves it to the enhanced status code, and that to
    the server's words where it is missing or says little. A temporary (4.x.x) code is no proof that a mailbox
    is dead.
    """
    known = category.strip().lower()
    code = enhanced_status(status)
    if known in _OTHER:
        return "other"
    if known in _SOFT:
        return "soft"
    if known in _HARD:
        return "soft" if code.startswith("4") else "hard"
    return _CLASSES[_kind(code, diagnostic)]


def _kind(code: str, diagnostic: str) -> Kind:
    if code:
        return kind_of_status(code, diagnostic)
    basic = _BASIC.search(diagnostic)
    # What was refused is not known: the words alone speak, as they do after the content.
    return classify(Reply(int(basic[1]), basic[2]), "content") if basic else "policy"
