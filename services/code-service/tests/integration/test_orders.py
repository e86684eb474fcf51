"""Orders made of webhooks: once, in any order, by newest fact, and without touching codes."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from shared.database import SimpleDatabase
from shared.events import RETRY_DELAYS, Consumer, MessageContext
from shared.events.consumer import Dispatcher
from shared.events.transports.base import Delivery, Done, GiveUp, Retry
from shared.events.webhooks import telling_of_failures
from shared.testing import TokenMint
from shared.utils import uuid7

from .codes_kit import Codes, refusal
from .orders_kit import Orders, make_order, webhook

CUSTOMER: dict[str, Any] = {
    "buyer_email": "customer@example.com",
    "buyer_name": "Kadi Kask",
    "total": 100.0,
    "currency": "EUR",
}
ITEMS = [{"name": "Day ticket", "quantity": 2, "price": "50,00"}]


@pytest.fixture
def orders(app: FastAPI, db: SimpleDatabase, codes: Codes, tenant_a: UUID) -> Orders:
    return Orders(app, db, codes, tenant_a)


async def test_an_order_goes_its_way(orders: Orders) -> None:
    await orders.make("created", minute=1, **CUSTOMER, items=ITEMS, created_at="2025-09-15T10:00:00Z")
    created = await orders.only()
    await orders.make("completed", minute=2, **CUSTOMER, total_paid=100)
    await orders.make("refunded", minute=3)
    order = await orders.only()
    assert (created["status"], order["status"]) == ("pending", "refunded")
    assert (order["total_minor"], order["currency"]) == (10000, "EUR")
    assert (order["customer_email"], order["customer_name"]) == ("customer@example.com", "Kadi Kask")
    assert order["ordered_at"] == "2025-09-15T10:00:00Z"
    assert order["lines"] == [{"name": "Day ticket", "quantity": 2, "unit_minor": 5000}]
    assert [fact["status"] for fact in order["history"]] == ["pending", "completed", "refunded"]
    assert [told["status"] for told in await orders.told()] == ["pending", "completed", "refunded"]


async def test_the_outcome_is_the_same_in_any_order(orders: Orders) -> None:
    steps: list[tuple[str, dict[str, Any]]] = [
        ("created", {**CUSTOMER, "items": ITEMS, "discount_code": "EARLY"}),
        ("completed", {"total": "80,00", "currency": "EUR"}),
        ("refunded", {}),
    ]
    for number, arrival in enumerate(itertools.permutations(range(3))):
        for minute in arrival:
            kind, fields = steps[minute]
            await orders.make(kind, f"o-{number}", minute=minute, **fields)
    listed = await orders.listed()
    assert len(listed) == 6
    same = [
        {k: v for k, v in one.items() if k not in ("id", "external_id", "created_at", "updated_at")}
        for one in listed
    ]
    assert same == [same[0]] * 6
    assert (same[0]["status"], same[0]["total_minor"]) == ("refunded", 8000)


async def test_the_senders_own_time_decides_when_all_tell_it(orders: Orders) -> None:
    await orders.make("completed", minute=1, updated_at="2025-09-15T11:30:00Z")
    await orders.make("cancelled", minute=2, updated_at="2025-09-15T11:20:00Z")
    order = await orders.only()
    assert (order["status"], order["status_at"]) == ("completed", "2025-09-15T11:30:00Z")


async def test_of_twenty_at_once_one_order_comes(orders: Orders) -> None:
    same = make_order("created", **CUSTOMER)
    answers = await asyncio.gather(*(orders.receive("make", same) for _ in range(20)))
    assert [type(answer) for answer in answers] == [Done] * 20
    assert (await orders.only())["total_minor"] == 10000
    assert len(await orders.told()) == 1


async def test_repeats_and_replays_change_nothing(orders: Orders) -> None:
    event = webhook(orders.tenant, "make", make_order("completed", **CUSTOMER), inbound_id=uuid7())
    replayed = webhook(
        orders.tenant, "make", event.data["body"], inbound_id=UUID(str(event.data["inbound_id"]))
    )
    await orders.deliver(event)
    before = await orders.only()
    for again in (event, replayed):
        assert isinstance(await orders.deliver(again), Done)
    assert await orders.only() == before
    await orders.receive("make", event.data["body"], minute=30)
    after = await orders.only()
    assert len(after.pop("history")) == 2
    before.pop("history")
    assert after == before
    assert len(await orders.told()) == 1


async def test_webhooks_never_use_up_a_code(orders: Orders, codes: Codes) -> None:
    await codes.create("Spring10")
    history = await codes.history("Spring10")
    await orders.make("completed", discount_codes=["spring10", "UNKNOWN"], **CUSTOMER)
    order = await orders.only()
    known = await codes.get("Spring10")
    assert order["codes"] == [
        {"code": "spring10", "code_id": known["id"], "our_code": "Spring10", "code_status": "available"},
        {"code": "UNKNOWN", "code_id": None, "our_code": None, "code_status": None},
    ]
    assert (known["status"], await codes.history("Spring10")) == ("available", history)
    assert (await orders.told())[0]["codes"] == ["spring10", "UNKNOWN"]
    late = await codes.create("unknown")
    assert (await orders.only())["codes"][1]["code_id"] == late["id"]
    await codes.data("POST", "/codes/spring10/mark-used", {"order_id": "o-1"})
    assert (await orders.listed("?code=SPRING10"))[0]["codes"][0]["code_status"] == "used"


async def test_fienta_orders_and_tickets_meet_in_one_order(orders: Orders) -> None:
    buyer = {"email": "buyer@example.com", "phone": "+37255550000"}
    ticket = {"code": "T-1", "status": "USED", "order": {"id": 5, "status": "COMPLETED", "buyer": buyer}}
    await orders.receive("fienta", {"ticket": ticket | {"validated_at": "2025-09-15T14:00:00+03:00"}})
    early = await orders.only()
    assert (early["status"], early["total_minor"], early["lines"]) == ("completed", None, [])
    order = {"id": "5", "status": "COMPLETED", "buyer": buyer, "payment": {"total": 4500, "currency": "EUR"}}
    await orders.receive(
        "fienta", {"order": order | {"tickets": [{"rows": [{"ticket_type": {"title": "Kids"}}]}]}}
    )
    whole = await orders.only()
    assert (whole["total_minor"], whole["currency"]) == (4500, "EUR")
    assert whole["lines"] == [{"name": "Kids", "quantity": 1, "unit_minor": None}]
    await orders.make("created", "5")
    assert [one["source"] for one in await orders.listed()] == ["make", "fienta"]


async def test_a_phone_number_is_not_kept(orders: Orders) -> None:
    buyer = {"email": "buyer@example.com", "phone": "+37255550000", "address": "Street 1"}
    tickets = [{"rows": [{"attendee": {"full_name": "Guest", "email": "guest@example.com"}}]}]
    await orders.receive("fienta", {"order": {"id": 5, "buyer": buyer, "tickets": tickets}})
    async with orders.db.tenant_tx(orders.tenant) as tx:
        kept = await tx.fetchval(
            "SELECT string_agg(row_to_json(f)::text, '') || (SELECT row_to_json(o)::text FROM shop_order o)"
            " FROM order_fact f"
        )
    assert "buyer@example.com" in kept
    for personal in ("37255550000", "Street 1", "Guest", "guest@"):
        assert personal not in kept


async def test_a_customer_is_forgotten_for_good(orders: Orders, mint: TokenMint) -> None:
    await orders.make("created", minute=1, **CUSTOMER)
    order = await orders.only()
    path, client = f"/orders/{order['id']}/customer", orders.codes.client
    for headers, status in (
        (mint.headers(orders.tenant, "operator"), 403),
        (mint.headers(uuid7()), 404),
        ({}, 401),
    ):
        assert (await client.delete(path, headers=headers)).status_code == status
    forgotten = await orders.codes.data("DELETE", path)
    assert (forgotten["customer_email"], forgotten["total_minor"]) == (None, 10000)
    await orders.make("completed", minute=2, **CUSTOMER)
    later = await orders.only()
    assert (later["status"], later["customer_email"], later["customer_name"]) == ("completed", None, None)
    async with orders.db.tenant_tx(orders.tenant) as tx:
        kept = await tx.fetchval("SELECT string_agg(details::text, '') FROM order_fact")
    assert "example.com" not in kept


async def test_a_broken_webhook_is_given_up_on_and_told(orders: Orders) -> None:
    secret = make_order("created", total="much", buyer_email="private@example.com")
    assert await orders.refused("make", secret) == "UnreadableOrderError: order.total is no clear amount"
    assert "not JSON" in await orders.refused("make", "{")
    assert "not JSON" in await orders.refused("make", '{"event_id": "1", "order": {"id": 1, "total": NaN}}')
    assert "not JSON" in await orders.refused("make", "[" * 5000 + "]" * 5000)
    assert "no JSON object" in await orders.refused("fienta", "[]")
    assert await orders.listed() == []
    failures = await orders.told("webhook.processing.failed.v1")
    assert [(f["consumer"], f["attempts"]) for f in failures] == [("make-webhooks", 1)] * 4 + [
        ("fienta-webhooks", 1)
    ]
    assert failures[0]["error"] == "order.total is no clear amount"


async def test_other_faults_are_told_when_they_are_given_up_on_without_their_text(orders: Orders) -> None:
    async def broken(_: MessageContext) -> None:
        raise RuntimeError("private@example.com")

    consumer = Consumer("make-webhooks", ("webhook.make.received.v1",), telling_of_failures(broken))
    dispatch = Dispatcher(consumer, orders.db, orders.runtime)
    event = webhook(orders.tenant, "make", make_order("created"))
    assert isinstance(await dispatch(Delivery(event, 0)), Retry)
    assert await orders.told("webhook.processing.failed.v1") == []
    assert isinstance(await dispatch(Delivery(event, len(RETRY_DELAYS))), GiveUp)
    (failure,) = await orders.told("webhook.processing.failed.v1")
    assert (failure["error"], failure["attempts"]) == ("RuntimeError", len(RETRY_DELAYS) + 1)
    assert failure["inbound_id"] == event.data["inbound_id"]


async def test_events_about_other_things_are_left_alone(orders: Orders) -> None:
    assert isinstance(await orders.receive("make", {"event_id": "1", "event_type": "customer.created"}), Done)
    assert await orders.listed() == []


async def test_lists_filter_and_page(orders: Orders, codes: Codes) -> None:
    await orders.make("created", "A-1", **CUSTOMER, created_at="2025-09-01")
    await orders.make("completed", "B-2", buyer_name="Mati", created_at="2025-09-03", discount_code="X")
    await orders.receive(
        "fienta", {"order": {"id": "C-3", "status": "COMPLETED", "created_at": "2025-09-02T12:00Z"}}
    )

    async def listed(query: str) -> list[str]:
        return [order["external_id"] for order in await orders.listed(query)]

    assert await listed("") == ["B-2", "C-3", "A-1"]
    assert await listed("?status=completed") == ["B-2", "C-3"]
    assert await listed("?source=fienta") == ["C-3"]
    assert await listed("?q=MATI") == ["B-2"]
    assert await listed("?q=customer@example") == ["A-1"]
    assert await listed("?q=%25") == []
    assert await listed("?code=x") == ["B-2"]
    assert await listed("?from=2025-09-02T00:00:00Z&to=2025-09-03T00:00:00Z") == ["C-3"]
    first = (await codes.call("GET", "/orders?limit=2")).json()
    assert [order["external_id"] for order in first["data"]] == ["B-2", "C-3"]
    assert await listed(f"?limit=2&cursor={first['meta']['next_cursor']}") == ["A-1"]
    for wrong in ("status=shipped", "source=shopify", "from=yesterday", "cursor=x", "limit=0", "q="):
        assert (await codes.call("GET", f"/orders?{wrong}")).status_code in (400, 422), wrong


async def test_orders_are_a_tenants_own(
    orders: Orders, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    await orders.make("created", **CUSTOMER)
    order = await orders.only()
    client, stranger = orders.codes.client, mint.headers(tenant_b)
    assert (await client.get("/orders", headers=stranger)).json()["data"] == []
    assert refusal(await client.get(f"/orders/{order['id']}", headers=stranger)) == (404, "NOT_FOUND")
    for path in ("/orders", f"/orders/{order['id']}"):
        assert (await client.get(path)).status_code == 401
        assert (await client.get(path, headers=mint.headers(tenant_a, "viewer"))).status_code == 200
    await orders.deliver(webhook(tenant_b, "make", make_order("refunded")))
    assert (await orders.only())["status"] == "pending"
