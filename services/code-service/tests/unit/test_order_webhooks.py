"""What is read out of Make's and Fienta's webhooks."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from code_service.orders.facts import OrderFact
from code_service.orders.fienta import read_fienta, read_form
from code_service.orders.make import read_make
from code_service.orders.values import UnreadableOrderError

NOW = datetime(2025, 9, 15, 12, tzinfo=UTC)
ID = UUID(int=1)
TALLINN = ZoneInfo("Europe/Tallinn")


def make(body: dict[str, Any]) -> OrderFact | None:
    return read_make(body, ID, NOW)


def fienta(body: dict[str, Any]) -> OrderFact:
    return read_fienta(body, ID, NOW, TALLINN)


def said(fact: OrderFact | None) -> dict[str, Any]:
    assert fact is not None
    return {name: value for name, value in fact.details.items() if value not in (None, [])}


def test_a_make_order() -> None:
    fact = make(
        {
            "event_id": "e1",
            "event_type": "order.created",
            "order": {
                "id": "fienta-order-456",
                "buyer_email": "Customer@Example.com",
                "buyer_name": "Kadi Kask",
                "buyer_phone": "+372 5555 0000",
                "total": Decimal("100.5"),
                "currency": "EUR",
                "created_at": "2025-09-15T10:00:00Z",
                "discount_code": "SPRING10",
                "items": [
                    {"name": "Day ticket", "quantity": 2, "price": Decimal("50.25")},
                    {"name": "Badge"},
                ],
            },
        }
    )
    assert fact is not None
    assert (fact.external_id, fact.status, fact.at) == ("fienta-order-456", "pending", None)
    assert said(fact) == {
        "total_minor": 10050,
        "currency": "EUR",
        "customer_email": "customer@example.com",
        "customer_name": "Kadi Kask",
        "ordered_at": "2025-09-15T10:00:00+00:00",
        "lines": [
            {"name": "Day ticket", "quantity": 2, "unit_minor": 5025},
            {"name": "Badge", "quantity": 1, "unit_minor": None},
        ],
        "codes": ["SPRING10"],
    }


def test_the_event_or_the_orders_own_status_tells_how_far_it_is() -> None:
    cases = [
        ("order.created", None, "pending"),
        ("order_completed", None, "completed"),
        ("order.created", "paid", "completed"),
        ("order.refunded", "completed", "refunded"),
        ("order.cancelled", "pending", "cancelled"),
        ("order.updated", "COMPLETED", "completed"),
        ("order.updated", None, None),
        (None, None, None),
    ]
    for kind, status, expected in cases:
        fact = make({"event_id": "e", "event_type": kind, "order": {"id": 7, "status": status}})
        assert fact is not None
        assert (fact.external_id, fact.status) == ("7", expected), kind


def test_a_make_events_own_time() -> None:
    order = {"id": 1, "created_at": "2025-09-01", "updated_at": "2025-09-03", "refunded_at": "2025-09-04"}
    for body, day in [
        ({"timestamp": "2025-09-05"}, 5),
        ({}, 3),
        ({"event_type": "order.refunded"}, 4),
    ]:
        fact = make({"event_id": "e", "order": order} | body)
        assert fact is not None
        assert fact.at == datetime(2025, 9, day, tzinfo=UTC)


def test_a_flat_make_order_and_events_about_other_things() -> None:
    flat = make({"event_id": "e", "event_type": "order.completed", "order_id": 5, "total": "12,50"})
    assert flat is not None
    assert (flat.external_id, flat.status, said(flat)) == ("5", "completed", {"total_minor": 1250})
    assert make({"event_id": "e", "event_type": "customer.created"}) is None
    assert make({"event_id": "e"}) is None


def test_what_a_refund_gives_back_is_not_the_orders_total() -> None:
    refund = {"event_id": "e", "event_type": "order.refunded", "order": {"id": 1, "total": -20}}
    assert said(make(refund)) == {}
    with pytest.raises(UnreadableOrderError, match=r"order\.total is negative"):
        make(refund | {"event_type": "order.completed"})


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"event_type": "order.created"}, "order is missing"),
        ({"event_type": "order.created", "order": []}, "order is missing"),
        ({"order": {}}, "order.id is missing"),
        ({"order": {"id": " "}}, "order.id is missing"),
        ({"order": {"id": 1, "currency": "euro"}}, "order.currency"),
        ({"order": {"id": 1, "total": "much"}}, "order.total"),
        ({"order": {"id": 1, "items": [{}, {"quantity": "many"}]}}, r"order.items\[1\].quantity"),
        ({"order": {"id": 1, "items": [{"price": []}]}}, r"order.items\[0\].price"),
        ({"order": {"id": 1, "items": [{}] * 1001}}, "order.items"),
    ],
)
def test_a_broken_make_order_names_the_place(body: dict[str, Any], place: str) -> None:
    with pytest.raises(UnreadableOrderError, match=place):
        make({"event_id": "e"} | body)


FIENTA_ORDER: dict[str, Any] = {
    "order": {
        "id": 991,
        "status": "COMPLETED",
        "buyer": {"email": "buyer@example.com", "phone": "+37255550000"},
        "event": {"id": 118, "url": "https://fienta.example/e"},
        "payment": {"total": 4500, "currency": "EUR"},
        "tickets": [
            {
                "code": "T-1",
                "status": "UNUSED",
                "qty": 2,
                "updated_at": "2025-09-15 10:00:00",
                "rows": [
                    {
                        "ticket_type": {"id": 1, "title": "Regular"},
                        "attendee": {"email": "guest@example.com"},
                        "discount_code": "EARLY",
                    }
                ],
            },
            {
                "code": "T-2",
                "rows": [{"ticket_type": {"title": "Regular"}}, {"ticket_type": {"title": "Kids"}}],
            },
        ],
    }
}


def test_a_fienta_order_counts_in_cents_and_leaves_guests_out() -> None:
    fact = fienta(FIENTA_ORDER)
    assert (fact.external_id, fact.status) == ("991", "completed")
    assert fact.at == datetime(2025, 9, 15, 7, tzinfo=UTC)
    assert said(fact) == {
        "total_minor": 4500,
        "currency": "EUR",
        "customer_email": "buyer@example.com",
        "event_ref": "118",
        "lines": [
            {"name": "Regular", "quantity": 3, "unit_minor": None},
            {"name": "Kids", "quantity": 1, "unit_minor": None},
        ],
        "codes": ["EARLY"],
    }


def test_a_validated_ticket_tells_of_its_order_without_its_lines() -> None:
    fact = fienta(
        {
            "ticket": {
                "code": "T-1",
                "status": "USED",
                "validated_at": "2025-09-15T13:00:00+03:00",
                "event": {"id": 118},
                "order": {
                    "id": 991,
                    "status": "COMPLETED",
                    "buyer": {"first_name": "Kadi", "last_name": "Kask"},
                },
            }
        }
    )
    assert (fact.external_id, fact.status, fact.at) == (
        "991",
        "completed",
        datetime(2025, 9, 15, 10, tzinfo=UTC),
    )
    assert said(fact) == {"customer_name": "Kadi Kask", "event_ref": "118"}


def test_fienta_as_a_form() -> None:
    body = read_form(
        "order[id]=991&order[status]=COMPLETED&order[buyer][email]=buyer%40example.com&order[payment][total]=4500"
        "&order[payment][currency]=EUR&order[tickets][0][qty]=2&order[tickets][0][rows][0][ticket_type][title]=Regular"
    )
    fact = fienta(body)
    assert (fact.external_id, fact.status) == ("991", "completed")
    assert said(fact) == {
        "total_minor": 4500,
        "currency": "EUR",
        "customer_email": "buyer@example.com",
        "lines": [{"name": "Regular", "quantity": 2, "unit_minor": None}],
    }
    assert read_form("a[]=1&a[]=2&b[x]=3&b[x][y]=4&[=5") == {"a": ["1", "2"], "b": {"x": "3"}}
    with pytest.raises(UnreadableOrderError, match="nested too deep"):
        read_form("a" + "[x]" * 20 + "=1")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "order.id is missing"),
        ({"ticket": {"code": "T"}}, "order.id is missing"),
        ({"order": {"id": 1, "payment": {"total": "12,50"}}}, "order.payment.total"),
        ({"order": {"id": 1, "payment": {"total": -1}}}, "order.payment.total is negative"),
        ({"order": {"id": 1, "payment": {"currency": "E"}}}, "order.payment.currency"),
        ({"order": {"id": 1, "tickets": [{"qty": -1}]}}, r"order.tickets\[0\].qty"),
    ],
)
def test_a_broken_fienta_order_names_the_place(body: dict[str, Any], place: str) -> None:
    with pytest.raises(UnreadableOrderError, match=place):
        fienta(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "status", "total", "items", "tickets", "rows", "buyer", "payment", "discount"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_whatever_comes_is_read_or_refused(value: Any) -> None:
    for body in ({"event_type": "order.created", "order": value}, {"order": value}, {"ticket": value}):
        for read in (make, fienta):
            try:
                fact = read(body)
            except UnreadableOrderError:
                continue
            assert fact is None or fact.external_id
