"""Fienta's texts as values, and values as what is typed."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from code_service.fienta import selectors
from code_service.fienta.parsing import parse_created, parse_discount, parse_row, parse_use
from code_service.fienta.port import (
    Discount,
    DiscountChange,
    DiscountCode,
    FientaPageChanged,
    normalised,
)

TALLINN = ZoneInfo("Europe/Tallinn")
ROW: dict[str, str | None] = {
    "edit": "https://fienta.com/my/events/118000/discounts/90017/edit",
    "code": "MOB-001",
    "title": "Crew",
    "amount": "40%",
    "orders": "3 / 10",
    "tickets": "4 / ∞",
    "created": "12.09.2025 10:45",
}


def test_a_row_is_read() -> None:
    created = datetime(2025, 9, 12, 7, 45, tzinfo=UTC)
    wanted = DiscountCode("90017", "MOB-001", Discount.of_percent(40), 3, 10, None, "Crew", created)
    assert parse_row(ROW, TALLINN) == wanted


@pytest.mark.parametrize(
    "wrong",
    [
        {"edit": None},
        {"edit": "/my/events/118000/discounts/create"},
        {"code": ""},
        {"amount": None},
        {"amount": "free"},
        {"orders": "many"},
        {"tickets": None},
        {"created": "yesterday"},
    ],
)
def test_a_row_that_is_not_understood_is_told(wrong: dict[str, str | None]) -> None:
    with pytest.raises(FientaPageChanged):
        parse_row(ROW | wrong, TALLINN)


@pytest.mark.parametrize(
    ("text", "discount"),
    [
        ("40%", Discount.of_percent(40)),
        ("12,5 %", Discount.of_percent("12.5")),
        ("0 %", Discount.of_percent(0)),
        ("100\u00a0%", Discount.of_percent(100)),
        ("12,50 €", Discount.of_amount(1250)),
        ("7,5\u202f€", Discount.of_amount(750)),
        ("€7.05", Discount.of_amount(705)),
        ("EUR 3", Discount.of_amount(300)),
        ("3 EUR", Discount.of_amount(300)),
        ("9", Discount.of_amount(900)),
    ],
)
def test_discounts_are_read(text: str, discount: Discount) -> None:
    assert parse_discount(text) == discount


@pytest.mark.parametrize("text", ["", "%", "140%", "-5%", "1.234,50 €", "5 % off", "1,234 €"])
def test_what_is_no_discount_is_told(text: str) -> None:
    with pytest.raises(FientaPageChanged):
        parse_discount(text)


def test_use_is_read() -> None:
    assert parse_use("0/1") == (0, 1)
    assert parse_use(" 12 / ∞ ") == (12, None)
    assert parse_use("2 / -") == (2, None)


def test_times_are_on_the_organisers_clock() -> None:
    assert parse_created("01.07.2025 00:30", TALLINN) == datetime(2025, 6, 30, 21, 30, tzinfo=UTC)
    assert parse_created("01.01.2026 00:30", TALLINN) == datetime(2025, 12, 31, 22, 30, tzinfo=UTC)
    assert parse_created("", TALLINN) is None


@pytest.mark.parametrize(
    ("discount", "value", "text"),
    [
        (Discount.of_percent(40), "40", "40 %"),
        (Discount.of_percent("12.50"), "12.5", "12.5 %"),
        (Discount.of_percent(100), "100", "100 %"),
        (Discount.of_percent(0), "0", "0 %"),
        (Discount.of_amount(1250), "12.50", "12.50"),
        (Discount.of_amount(5), "0.05", "0.05"),
    ],
)
def test_a_discount_is_typed_as_people_do(discount: Discount, value: str, text: str) -> None:
    assert (discount.value, str(discount)) == (value, text)


@pytest.mark.parametrize(
    ("percent", "amount"),
    [(None, None), (Decimal(5), 5), (Decimal(101), None), (Decimal(-1), None), (None, -1)],
)
def test_a_discount_is_one_thing_and_possible(percent: Decimal | None, amount: int | None) -> None:
    with pytest.raises(ValueError, match=r"either|between|negative"):
        Discount(percent, amount)


def test_a_change_says_nothing_of_what_it_leaves() -> None:
    found = parse_row(ROW, TALLINN)
    assert DiscountChange().applied_to(found) == found
    assert DiscountChange(limit_per_order=0).applied_to(found).limit_per_order is None
    assert DiscountChange(limit_per_ticket=2).applied_to(found).limit_per_ticket == 2
    zero = DiscountChange(Discount.of_percent(0)).applied_to(found)
    assert zero.discount == Discount.of_percent(0)


def test_codes_are_the_same_in_any_case() -> None:
    assert normalised(" mob-1 ") == normalised("MOB-1")
    assert normalised("MOB-1") != normalised("MOB-01")


def test_addresses_cannot_be_led_astray() -> None:
    assert (
        selectors.list_path("118000", "A&B=#1 ü") == "/my/events/118000/discounts?search=A%26B%3D%231+%C3%BC"
    )
    assert selectors.edit_path("118000", "../../x") == "/my/events/118000/discounts/..%2F..%2Fx/edit"
    assert selectors.create_path("1/2?") == "/my/events/1%2F2%3F/discounts/create"
