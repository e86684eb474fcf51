"""Values of webhooks as they come from shops and scenarios: money, times, text, codes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from shared.errors import PermanentError

# ISO 4217: currencies whose minor unit is not a hundredth.
_WHOLE = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
_THOUSANDTHS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
_MOST_MINOR = 10**15
_GROUPED_BY_SPACE = re.compile(r"(?<=\d)[ '\u00a0\u202f](?=\d{3})")
_PLAIN = re.compile(r"-?\d+(?:[.,]\d+)?")
_GROUPED = re.compile(r"-?\d{1,3}(?:(?:\.\d{3})+(?:,\d+)?|(?:,\d{3})+(?:\.\d+)?)")
_AMBIGUOUS = re.compile(r"-?[1-9]\d{0,2}[.,]\d{3}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_SIGNS = {"€": "EUR", "$": "USD", "£": "GBP"}
_LOCAL_FORMS = ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y")
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_CLOCK_SKEW = timedelta(days=1)
_CODE_KEYS = ("discount_code", "discount_codes", "coupon", "coupon_code", "coupons", "promo_code", "codes")
_MOST_CODES = 50


class UnreadableOrderError(PermanentError):
    """The webhook cannot be understood; the message names the place and repeats nothing of its content."""


def text(value: Any, most: int = 200) -> str | None:
    """A line of text without control characters; None for anything else and for nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    clean = str(value).encode("utf-8", "ignore").decode()
    return "".join(c for c in clean if c.isprintable()).strip()[:most] or None


def order_id(value: Any, place: str) -> str:
    found = text(value)
    if found is None:
        raise UnreadableOrderError(f"{place} is missing")
    return found


def email(value: Any) -> str | None:
    found = text(value, 254)
    return found.lower() if found and found.count("@") == 1 else None


def currency(value: Any, place: str) -> str | None:
    """An ISO 4217 code, or the sign of one; None when there is none."""
    found = text(value)
    if found is None:
        return None
    code = _SIGNS.get(found, found.upper())
    if not _CURRENCY.fullmatch(code):
        raise UnreadableOrderError(f"{place} is no ISO 4217 code")
    return code


def whole(value: Any, place: str) -> int | None:
    """A count, also as `"3"` or `3.0`; None when there is none."""
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value))
        if isinstance(value, bool) or number != int(number) or not 0 <= number <= 1_000_000:
            raise UnreadableOrderError(f"{place} is no count")
    except (InvalidOperation, OverflowError, ValueError):
        raise UnreadableOrderError(f"{place} is no count") from None
    return int(number)


def minor_units(value: Any, code: str | None, place: str) -> int | None:
    """A decimal amount (`12.5`, `"12,50"`, `"1 234,50 €"`) in the smallest unit of its currency.

    None when there is none. Without a currency a hundredth is the smallest unit. Scenarios calculate with
    binary fractions, so amounts are rounded, half up. Refused is what could be two amounts: `"1.234"`.
    """
    if value is None or value == "":
        return None
    amount = _decimal(value, place)
    digits = 0 if code in _WHOLE else 3 if code in _THOUSANDTHS else 2
    return _bounded(amount.scaleb(digits), place)


def cents(value: Any, place: str) -> int | None:
    """An amount that is counted in the smallest unit already; None when there is none."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not re.fullmatch(r"-?\d{1,18}", str(value)):
        raise UnreadableOrderError(f"{place} is not a whole number of cents")
    return _bounded(Decimal(str(value)), place)


def _decimal(value: Any, place: str) -> Decimal:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    written = re.sub(r"^[€$£A-Za-z\s]+|[€$£A-Za-z\s]+$", "", value) if isinstance(value, str) else ""
    written = _GROUPED_BY_SPACE.sub("", written)
    if _PLAIN.fullmatch(written) and not _AMBIGUOUS.fullmatch(written):
        return Decimal(written.replace(",", "."))
    if not _GROUPED.fullmatch(written) or _AMBIGUOUS.fullmatch(written):
        raise UnreadableOrderError(f"{place} is no clear amount")
    last = max(written.rfind("."), written.rfind(","))
    is_mixed = "." in written and "," in written
    fraction = written[last + 1 :] if is_mixed else ""
    integer = re.sub("[.,]", "", written[:last] if is_mixed else written)
    return Decimal(f"{integer}.{fraction or 0}")


def _bounded(amount: Decimal, place: str) -> int:
    if not amount.is_finite() or abs(amount) > _MOST_MINOR:
        raise UnreadableOrderError(f"{place} is out of bounds")
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def moment(value: Any, received_at: datetime, zone: tzinfo = UTC) -> datetime | None:
    """A time in ISO 8601, as `12.09.2025 10:45`, or in Unix seconds or milliseconds.

    The answer is in UTC; `zone` is that of times that name none.
    None when it is no time, or one that cannot be: a shop whose clock is years ahead would win for years.
    """
    found = _parsed(value)
    if found is None:
        return None
    aware = found if found.tzinfo else found.replace(tzinfo=zone)
    return aware.astimezone(UTC) if _EARLIEST <= aware <= received_at + _CLOCK_SKEW else None


def _parsed(value: Any) -> datetime | None:
    written = text(value)
    if written is None:
        return None
    if written.isdecimal():
        seconds = int(written[:13]) / (1000 if len(written) > 11 else 1)
        return datetime.fromtimestamp(seconds, UTC)
    for form in _LOCAL_FORMS:
        try:
            return datetime.strptime(written, form)  # noqa: DTZ007  # the caller adds the zone
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        return None


def first_moment(
    source: Mapping[str, Any], names: Iterable[str], received_at: datetime, zone: tzinfo = UTC
) -> datetime | None:
    """The first of these fields that is a time."""
    found = (moment(source.get(name), received_at, zone) for name in names)
    return next((at for at in found if at is not None), None)


def discount_codes(*places: Mapping[str, Any]) -> list[str]:
    """Discount codes named in these objects, each once whatever its case, in their order."""
    found: dict[str, str] = {}
    for place in places:
        for value in (*(place.get(key) for key in _CODE_KEYS), place.get("discount")):
            for code in _codes_in(value):
                found.setdefault(code.upper(), code)
    return list(found.values())[:_MOST_CODES]


def _codes_in(value: Any) -> Iterable[str]:
    if isinstance(value, list):
        return [code for one in value for code in _codes_in(one)] if len(value) <= _MOST_CODES else []
    if isinstance(value, dict):
        value = value.get("code")
    code = text(value, 100) if isinstance(value, str) else None
    return [code] if code else []


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; none for anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def as_utc(value: datetime) -> datetime:
    """The same moment in UTC; without a zone it is UTC already. ValueError outside of what UTC can write."""
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError("a time that does not exist in UTC") from None
