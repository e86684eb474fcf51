"""What the site knows: one organiser's account, sessions, and the discount codes of its event."""

from __future__ import annotations

import itertools
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Literal

EVENT = "118000"
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")

Unit = Literal["1", "2"]
CURRENCY: Unit = "1"
PERCENT: Unit = "2"


@dataclass
class Faults:
    """What goes wrong from now on.

    `slow`: seconds before each answer. `broken`: so many requests answer 500. `expire_after`: so many pages
    more, then the session ends, once. `is_redesigned`: pages with other names. `is_list_blank`: the table has
    no rows and nothing says why. `is_forgetful`: forms are accepted and nothing is kept. `rival`: the code
    that somebody else makes while the next form is filled.
    """

    slow: float = 0.0
    broken: int = 0
    expire_after: int | None = None
    is_redesigned: bool = False
    is_list_blank: bool = False
    is_forgetful: bool = False
    rival: str = ""


@dataclass
class Discount:
    """One row. `amount` is in units of the currency, or per cent, as `unit` says."""

    id: int
    code: str
    unit: Unit
    amount: Decimal
    usage_limit: int | None
    ticket_limit: int | None
    title: str
    created_at: datetime
    orders: int = 0
    tickets: int = 0


@dataclass
class Session:
    """One visitor."""

    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(30))
    is_logged_in: bool = False
    notice: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    old: dict[str, str] = field(default_factory=dict)


@dataclass
class Site:
    """The whole site. `hits` counts answers by `METHOD page`, `logins` those that succeeded."""

    email: str = "organiser@example.com"
    password: str = "correct-horse-battery-7"
    event: str = EVENT
    per_page: int = 20
    faults: Faults = field(default_factory=Faults)
    sessions: dict[str, Session] = field(default_factory=dict)
    discounts: dict[int, Discount] = field(default_factory=dict)
    hits: dict[str, int] = field(default_factory=dict)
    logins: int = 0
    now: datetime = datetime(2026, 9, 12, 10, 45)  # noqa: DTZ001  # the site shows local times without a zone
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(90_001))

    def add(
        self,
        code: str,
        amount: str | int = "100",
        unit: Unit = PERCENT,
        *,
        usage_limit: int | None = 1,
        ticket_limit: int | None = 1,
        title: str = "",
        orders: int = 0,
    ) -> Discount:
        """A code as if made by the form; each is a minute younger than the one before."""
        self.now += timedelta(minutes=1)
        limits = (usage_limit, ticket_limit)
        made = Discount(
            next(self._ids), code, unit, Decimal(amount), *limits, title, self.now, orders, orders
        )
        self.discounts[made.id] = made
        return made

    def by_code(self, code: str) -> Discount | None:
        return next((d for d in self.discounts.values() if d.code.upper() == code.upper()), None)

    def search(self, text: str) -> list[Discount]:
        """Newest first, those whose code or title holds the text."""
        wanted = text.upper()
        found = [d for d in self.discounts.values() if wanted in d.code.upper() or wanted in d.title.upper()]
        return sorted(found, key=lambda d: d.id, reverse=True)

    def clear(self) -> None:
        """No codes, no faults, no counts; who is logged in stays so."""
        self.discounts.clear()
        self.hits.clear()
        self.faults = Faults()
        self.logins = 0

    def save(self, form: dict[str, str], discount: Discount | None) -> dict[str, str]:
        """Make or change a code; what is wrong, by field."""
        errors = self._problems(form, discount)
        if errors or self.faults.is_forgetful:
            return errors
        unit: Unit = CURRENCY if form["type"] == CURRENCY else PERCENT
        target = discount or self.add(form["code"])
        target.code, target.unit, target.amount = form["code"], unit, Decimal(form["amount"])
        target.usage_limit, target.ticket_limit = _limit(form["usage_limit"]), _limit(form["ticket_limit"])
        target.title = form["title"]
        return {}

    def _problems(self, form: dict[str, str], discount: Discount | None) -> dict[str, str]:
        errors = {}
        other = self.by_code(form["code"])
        if not _CODE.match(form["code"]):
            errors["code"] = "The code may only contain letters, numbers, dots, dashes and underscores."
        elif other is not None and other is not discount:
            errors["code"] = "The code has already been taken."
        amount = _number(form["amount"])
        if amount is None or amount < 0 or (form["type"] == PERCENT and amount > 100):
            errors["amount"] = "The amount is not valid."
        for name in ("usage_limit", "ticket_limit"):
            if form[name] and not re.fullmatch(r"[1-9]\d{0,5}", form[name]):
                errors[name] = "The limit must be at least 1."
        return errors


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _limit(text: str) -> int | None:
    return int(text) if text else None
