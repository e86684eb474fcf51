"""What is collected, and from where."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from campaign_service.netlife.contacts import PortalContact
from campaign_service.netlife.envelopes import Row

Audience = Literal["buyers", "non-buyers", "both"]
ContactFilter = Literal["phone-only", "email-only", "any"]


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """Who is collected.

    `contact_filter`: those with a number, those with an e-mail address, or those with either.
    `jobs`: only these, all when empty.
    """

    audience: Audience = "both"
    contact_filter: ContactFilter = "any"
    registered_only: bool = False
    images_required: bool = True
    jobs: frozenset[str] = frozenset()


@dataclass
class ShopJob:
    """A job with its activities that are in the web shop, in the portal's order."""

    uuid: str
    name: str
    activities: list[Row] = field(default_factory=list)


@dataclass
class Collection:
    """`skipped` counts subjects by reason; `failures` names, hashed, what could not be read."""

    contacts: list[PortalContact] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    jobs: int = 0

    @property
    def is_complete(self) -> bool:
        return not self.failures

    def add(self, part: Collection) -> None:
        self.contacts += part.contacts
        self.skipped += part.skipped
        self.failures += part.failures
