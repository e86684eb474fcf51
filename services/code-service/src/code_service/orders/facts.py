"""What one webhook says of an order, and what all of them together mean.

Webhooks come late, twice and in any order. So the facts are kept, and an order is computed from all of them:
whichever arrives last, the outcome is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import takewhile
from typing import Any, Literal
from uuid import UUID

Source = Literal["make", "fienta"]
Status = Literal["pending", "completed", "cancelled", "refunded"]

#: How far a status is on the way of an order.
RANK: Mapping[Status, int] = {"pending": 0, "completed": 1, "cancelled": 2, "refunded": 3}
_WORDS: Mapping[str, Status] = {
    "pending": "pending",
    "created": "pending",
    "new": "pending",
    "placed": "pending",
    "unpaid": "pending",
    "completed": "completed",
    "complete": "completed",
    "paid": "completed",
    "confirmed": "completed",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "voided": "cancelled",
    "refunded": "refunded",
}
# A fact that names no status is about an order that goes on.
_RANK_OF_NONE = RANK["completed"]


#: Details that tell who ordered.
PERSONAL = ("customer_email", "customer_name")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFact:
    """One webhook about one order. `at` is the sender's own time of it, if it tells one.

    `details` holds only what the webhook says: total_minor, currency, customer_email, customer_name,
    ordered_at (ISO text), event_ref, lines (name, quantity, unit_minor), codes.
    """

    external_id: str
    inbound_id: UUID
    received_at: datetime
    status: Status | None = None
    at: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderState:
    """An order as its facts make it. Money is in the smallest unit of `currency`.

    `status_at` is since when it has its status.
    """

    status: Status
    status_at: datetime
    ordered_at: datetime
    total_minor: int | None = None
    currency: str | None = None
    customer_email: str | None = None
    customer_name: str | None = None
    event_ref: str | None = None
    lines: tuple[tuple[str, int, int | None], ...] = ()
    codes: tuple[str, ...] = ()


def without_customer(fact: OrderFact) -> OrderFact:
    """The fact without who ordered."""
    return replace(fact, details={k: v for k, v in fact.details.items() if k not in PERSONAL})


def status_of(word: Any) -> Status | None:
    """The status a word means: `COMPLETED`, `order.paid`, `order_canceled`; None for other words."""
    if not isinstance(word, str):
        return None
    last = word.strip().lower().replace("_", ".").replace(":", ".").rpartition(".")[2]
    return _WORDS.get(last)


def further(*statuses: Status | None) -> Status | None:
    """The one that is furthest on the way."""
    known = [(RANK[status], status) for status in statuses if status is not None]
    return max(known)[1] if known else None


def fold(facts: Sequence[OrderFact]) -> OrderState:
    """The order that at least one fact makes.

    When every fact tells its own time, the newest wins. Otherwise the furthest status wins, and among equals
    the newest. A field is taken from the last fact that has it.
    """
    ordered = in_order(facts)
    details: dict[str, Any] = {}
    status: Status = "pending"
    for fact in ordered:
        details |= {name: value for name, value in fact.details.items() if value not in (None, [], "")}
        status = fact.status or status
    given = details.get("ordered_at")
    return OrderState(
        status=status,
        status_at=_since(ordered, status),
        ordered_at=datetime.fromisoformat(given) if given else min(fact.received_at for fact in facts),
        lines=tuple((one["name"], one["quantity"], one["unit_minor"]) for one in details.get("lines", ())),
        codes=tuple(details.get("codes", ())),
        **{name: details.get(name) for name in _PLAIN},
    )


def _since(ordered: Sequence[OrderFact], status: Status) -> datetime:
    """The first time at which the last facts in a row say so."""
    latest = list(takewhile(lambda fact: fact.status in (status, None), reversed(ordered)))
    saying = [fact for fact in latest if fact.status] or latest or ordered
    return min(fact.at or fact.received_at for fact in saying)


def is_news(before: OrderState, after: OrderState) -> bool:
    """Whether more than the times differ: a repeat that was received earlier is no news."""
    return replace(before, status_at=after.status_at, ordered_at=after.ordered_at) != after


_PLAIN = ("total_minor", "currency", "customer_email", "customer_name", "event_ref")


def in_order(facts: Iterable[OrderFact]) -> list[OrderFact]:
    """From the one that counts least to the one that counts most."""
    known = list(facts)
    if all(fact.at is not None for fact in known):
        return sorted(known, key=lambda fact: (fact.at, _rank(fact), fact.received_at, fact.inbound_id))
    return sorted(
        known, key=lambda fact: (_rank(fact), fact.at or fact.received_at, fact.received_at, fact.inbound_id)
    )


def _rank(fact: OrderFact) -> int:
    return _RANK_OF_NONE if fact.status is None else RANK[fact.status]
