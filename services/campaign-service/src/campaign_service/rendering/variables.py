"""What a template can say about a person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .model import Recipient

KNOWN_ROOTS = frozenset(
    {"contact", "campaign", "first_name", "last_name", "email", "unsubscribe_url", "code", "now", "today"}
)
KNOWN_CONTACT = frozenset({"email", "first_name", "last_name", "language", "country", "custom"})


def merge_variables(recipient: Recipient, *, campaign_name: str, unsubscribe_url: str) -> dict[str, Any]:
    """The variables of one recipient, as every template sees them."""
    return {
        "contact": {
            "email": recipient.email,
            "first_name": recipient.first_name,
            "last_name": recipient.last_name,
            "language": recipient.language,
            "country": recipient.country,
            "custom": recipient.custom,
        },
        "first_name": recipient.first_name,
        "last_name": recipient.last_name,
        "email": recipient.email,
        "campaign": {"name": campaign_name},
        "code": recipient.code,
        "unsubscribe_url": unsubscribe_url,
    }


def unknown_variables(paths: Iterable[str]) -> list[str]:
    """Those of `paths` ("contact.nickname") that no contact can ever have."""
    return sorted({path for path in paths if not _known(path)})


def _known(path: str) -> bool:
    root, _, rest = path.partition(".")
    if root == "contact":
        return not rest or rest.partition(".")[0].partition("[")[0] in KNOWN_CONTACT
    return root in KNOWN_ROOTS
