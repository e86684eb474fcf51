"""Texts of Fienta's table as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from code_service.fienta.port import Discount, DiscountCode, FientaPageChanged

_AMOUNT = re.compile(r"(?:[€$£]|[A-Z]{3})?\s*(\d{1,9})(?:[.,](\d{1,2}))?\s*(%|[€$£]|[A-Z]{3})?\Z")
_USE = re.compile(r"(\d+)\s*/\s*(\d+|∞|-|–)\Z")
_ID = re.compile(r"/discounts/([^/?#]+)/edit\b")
_CREATED = "%d.%m.%Y %H:%M"


def parse_row(row: Mapping[str, str | None], zone: ZoneInfo) -> DiscountCode:
    """One row of the table, by the names of its cells. Raises FientaPageChanged for anything unexpected."""
    edit, code = row.get("edit") or "", row.get("code") or ""
    found = _ID.search(edit)
    if found is None or not code:
        raise FientaPageChanged("a row of the list has no code or does not lead to its form")
    used, order_limit = parse_use(_cell(row, "orders"))
    _, ticket_limit = parse_use(_cell(row, "tickets"))
    return DiscountCode(
        id=found[1],
        code=code,
        discount=parse_discount(_cell(row, "amount")),
        used=used,
        limit_per_order=order_limit,
        limit_per_ticket=ticket_limit,
        title=row.get("title") or "",
        created_at=parse_created(row.get("created") or "", zone),
    )


def _cell(row: Mapping[str, str | None], name: str) -> str:
    text = row.get(name)
    if text is None:
        raise FientaPageChanged(f"a row of the list has no cell {name!r}")
    return text


def parse_discount(text: str) -> Discount:
    """`40%`, `12,5 %`, `12,50 €`, `€7.50`."""
    # A narrow or plain no-break space stands before the sign in several locales.
    match = _AMOUNT.match(re.sub(r"[\s\u00a0\u202f]+", " ", text.strip()))
    if match is None:
        raise FientaPageChanged(f"{text[:40]!r} is not a discount")
    whole, fraction, sign = match[1], match[2] or "", match[3]
    if sign == "%":
        share = Decimal(f"{whole}.{fraction or 0}")
        if share > 100:
            raise FientaPageChanged(f"{text[:40]!r} is not a discount")
        return Discount(percent=share)
    return Discount(amount_minor=int(whole) * 100 + int(fraction.ljust(2, "0")))


def parse_use(text: str) -> tuple[int, int | None]:
    """`3 / 10` as used and limit; the limit is None for `3 / ∞`."""
    match = _USE.match(text.strip())
    if match is None:
        raise FientaPageChanged(f"{text[:40]!r} does not tell how often a code was used")
    return int(match[1]), int(match[2]) if match[2].isdigit() else None


def parse_created(text: str, zone: ZoneInfo) -> datetime | None:
    """`12.09.2025 10:45` on the organiser's clock; None when the page shows none."""
    if not text:
        return None
    try:
        return datetime.strptime(text, _CREATED).replace(tzinfo=zone)
    except ValueError:
        raise FientaPageChanged(f"{text[:40]!r} is not a date") from None
