"""Money, times and codes as scenarios and shops write them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from code_service.orders.values import (
    UnreadableOrderError,
    cents,
    currency,
    discount_codes,
    email,
    minor_units,
    moment,
    text,
    whole,
)

NOW = datetime(2025, 9, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "code", "expected"),
    [
        (100, "EUR", 10000),
        (Decimal("100.0"), "EUR", 10000),
        (Decimal("33.300000000000004"), "EUR", 3330),
        (Decimal("0.005"), "EUR", 1),
        (Decimal("12.345"), "KWD", 12345),
        (1200, "JPY", 1200),
        (Decimal("19.99"), None, 1999),
        ("12,50", "EUR", 1250),
        ("12.50", "EUR", 1250),
        ("0.125", "EUR", 13),
        ("1 234,50 €", "EUR", 123450),
        ("1.234,50", "EUR", 123450),
        ("1,234.50", "EUR", 123450),
        ("1'234'567.8", "EUR", 123456780),
        ("1.234.567", "EUR", 123456700),
        ("€ 7", "EUR", 700),
        ("EUR 7", "EUR", 700),
        ("7,5 eur", "EUR", 750),
        ("-3,10", "EUR", -310),
        ("", "EUR", None),
        (None, "EUR", None),
    ],
)
def test_amounts_become_the_smallest_unit(written: Any, code: str | None, expected: int | None) -> None:
    assert minor_units(written, code, "order.total") == expected


@pytest.mark.parametrize(
    "written",
    ["1.234", "1,234", "abc", "1.2.3", "12,50,1", True, [], {}, 10**30, Decimal("1e400"), "1.23,456.7"],
)
def test_what_is_no_clear_amount_is_refused_and_not_repeated(written: Any) -> None:
    with pytest.raises(UnreadableOrderError) as refused:
        minor_units(written, "EUR", "order.total")
    assert str(refused.value).startswith("order.total ")
    assert str(written) not in str(refused.value)


@pytest.mark.parametrize(("written", "expected"), [(1250, 1250), ("1250", 1250), (0, 0), (None, None)])
def test_cents_are_taken_as_they_are(written: Any, expected: int | None) -> None:
    assert cents(written, "payment.total") == expected


@pytest.mark.parametrize("written", [Decimal("12.5"), "12,50", True, "1e3", 10**17])
def test_cents_are_whole(written: Any) -> None:
    with pytest.raises(UnreadableOrderError):
        cents(written, "payment.total")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2025-09-12T10:45:00Z", datetime(2025, 9, 12, 10, 45, tzinfo=UTC)),
        ("2025-09-12T10:45:00+03:00", datetime(2025, 9, 12, 7, 45, tzinfo=UTC)),
        ("2025-09-12 10:45:00", datetime(2025, 9, 12, 10, 45, tzinfo=UTC)),
        ("12.09.2025 10:45", datetime(2025, 9, 12, 10, 45, tzinfo=UTC)),
        ("12.09.2025", datetime(2025, 9, 12, tzinfo=UTC)),
        (1757673900, datetime(2025, 9, 12, 10, 45, tzinfo=UTC)),
        ("1757673900000", datetime(2025, 9, 12, 10, 45, tzinfo=UTC)),
        ("2099-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("soon", None),
        (None, None),
        (True, None),
        ({}, None),
    ],
)
def test_times_in_the_forms_shops_use(written: Any, expected: datetime | None) -> None:
    assert moment(written, NOW) == expected


def test_a_time_without_a_zone_is_of_the_shops() -> None:
    tallinn = ZoneInfo("Europe/Tallinn")
    assert moment("12.09.2025 10:45", NOW, tallinn) == datetime(2025, 9, 12, 7, 45, tzinfo=UTC)
    assert moment("2025-09-12T10:45:00Z", NOW, tallinn) == datetime(2025, 9, 12, 10, 45, tzinfo=UTC)
    assert moment("01.01.0001", NOW, tallinn) is None
    assert moment("31.12.9999 23:59", NOW, tallinn) is None


def test_codes_are_found_wherever_they_stand_and_once() -> None:
    order = {
        "discount_code": "Spring10",
        "coupons": [{"code": "VIP"}, "spring10", 7, None],
        "discount": {"code": " X "},
    }
    assert discount_codes(order, {"coupon": "vip"}, {"discount": "LAST"}) == ["Spring10", "VIP", "X", "LAST"]
    assert discount_codes({"discount": 12, "codes": "", "discount_codes": {}}) == []


def test_text_is_one_clean_line() -> None:
    assert text(" a\x00b\nc\ud800 ") == "abc"
    assert (text(7), text(True), text(" "), text([])) == ("7", None, None, None)
    assert (email("A@Example.com"), email("nobody"), email("a@b@c")) == ("a@example.com", None, None)


def test_counts_and_currencies_are_checked() -> None:
    assert [whole(v, "q") for v in (3, "3", Decimal("3.0"), None, 0)] == [3, 3, 3, None, 0]
    for wrong in (Decimal("1.5"), -1, True, "x", 10**9, Decimal("Infinity")):
        with pytest.raises(UnreadableOrderError, match="q is no count"):
            whole(wrong, "q")
    assert [currency(v, "c") for v in ("eur", "€", None, "")] == ["EUR", "EUR", None, None]
    with pytest.raises(UnreadableOrderError, match="c is no ISO 4217 code"):
        currency("euros", "c")
