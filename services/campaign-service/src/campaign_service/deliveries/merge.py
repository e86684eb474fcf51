"""What rows do to a recipient. The result does not depend on the order in which rows come in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from campaign_service.campaigns.states import RecipientState
from campaign_service.deliveries.rows import BounceClass, Fact

_CLASS_RANK: dict[BounceClass | None, int] = {None: 0, "other": 1, "soft": 2, "hard": 3}
_BOUNCED_STATE: dict[BounceClass, RecipientState] = {
    "hard": "bounced_hard",
    "soft": "bounced_soft",
    "other": "failed",
}
# The mail server had the mail, whatever the sender last knew.
_BEFORE_ACCEPTED: frozenset[RecipientState] = frozenset(
    {"queued", "leased", "attempting", "failed_retry", "ambiguous"}
)


class Heard(Protocol):
    """The part of a row that changes a recipient."""

    @property
    def fact(self) -> Fact: ...
    @property
    def occurred_at(self) -> datetime: ...
    @property
    def bounce_class(self) -> BounceClass | None: ...


@dataclass(frozen=True, slots=True)
class RecipientFacts:
    """What is known of one recipient."""

    state: RecipientState
    accepted_at: datetime | None = None
    delivered_at: datetime | None = None
    bounced_at: datetime | None = None
    bounce_class: BounceClass | None = None
    complained_at: datetime | None = None
    updated_at: datetime | None = None


def merge(old: RecipientFacts, rows: Iterable[Heard]) -> RecipientFacts:
    """The recipient after the rows: earliest times, gravest bounce, and never a step back in state."""
    new = _with_class(old)
    for row in rows:
        new = _add(new, row)
    return replace(new, state=_state(new))


def _with_class(facts: RecipientFacts) -> RecipientFacts:
    """A bounce that the sender saw itself (refused at once) has its class in its state."""
    if facts.bounce_class is not None or facts.state not in ("bounced_hard", "bounced_soft"):
        return facts
    bounce_class: BounceClass = "hard" if facts.state == "bounced_hard" else "soft"
    return replace(facts, bounce_class=bounce_class, bounced_at=facts.bounced_at or facts.updated_at)


def _add(facts: RecipientFacts, row: Heard) -> RecipientFacts:
    at = row.occurred_at
    facts = replace(facts, accepted_at=facts.accepted_at or at)
    if row.fact == "delivered":
        return replace(facts, delivered_at=_earlier(facts.delivered_at, at))
    if row.fact == "complained":
        return replace(facts, complained_at=_earlier(facts.complained_at, at))
    if row.fact == "bounced":
        rank, known = _CLASS_RANK[row.bounce_class], _CLASS_RANK[facts.bounce_class]
        if rank > known:
            return replace(facts, bounce_class=row.bounce_class, bounced_at=at)
        if rank == known:
            return replace(facts, bounced_at=_earlier(facts.bounced_at, at))
    return facts


def _earlier(known: datetime | None, at: datetime) -> datetime:
    return at if known is None else min(known, at)


def _state(facts: RecipientFacts) -> RecipientState:
    if facts.complained_at is not None:
        return "complained"
    if facts.bounce_class is not None:
        return _BOUNCED_STATE[facts.bounce_class]
    if facts.delivered_at is not None:
        return "delivered"
    return "accepted" if facts.state in _BEFORE_ACCEPTED else facts.state


def contributions(facts: RecipientFacts) -> list[tuple[datetime, str]]:
    """(when, figure) of all this recipient counts in: delivered or bounced or failed, never two of them."""
    facts = _with_class(facts)
    counted: list[tuple[datetime, str]] = []
    if facts.accepted_at is not None:
        counted.append((facts.accepted_at, "sent"))
    if facts.complained_at is not None:
        counted.append((facts.complained_at, "complained"))
    if facts.bounce_class is not None and facts.bounced_at is not None:
        counted.append((facts.bounced_at, f"bounced_{facts.bounce_class}"))
    elif facts.delivered_at is not None:
        counted.append((facts.delivered_at, "delivered"))
    elif facts.state in ("failed", "ambiguous") and facts.updated_at is not None:
        counted.append((facts.updated_at, facts.state))
    return counted
