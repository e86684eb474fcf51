"""Orders of the ticket shop: webhooks twice, late and broken."""

from __future__ import annotations

import json
from typing import Any

from demo.client import wait_for
from demo.story import Story

_USED_CODE = "ATELIER-0001"
_MAKE_ORDER: dict[str, Any] = {
    "id": "order-2001",
    "buyer_email": "odile@example.com",
    "buyer_name": "Odile Chevrolat",
    "currency": "EUR",
    "created_at": "12.09.2025 10:45",
}


def post_orders(story: Story) -> None:
    """Each webhook twice and a refund before its order: still one order each, and no code is used up."""
    story.report.step("Make and Fienta tell of orders, each webhook twice")
    repeats = 0
    for event in _make_events():
        repeats += _twice(story, "make", event)
    for body in _fienta_bodies():
        repeats += _twice(story, "fienta", body)
    orders = wait_for(
        lambda: {order["external_id"]: order for order in story.shop.pages("/orders")},
        lambda seen: (
            len(seen) == 3
            and seen.get("991", {}).get("total_minor") is not None
            and seen.get("order-2001", {}).get("status") == "completed"
            # Whichever webhook was handled first, only one of them names the code.
            and seen["order-2001"]["codes"]
            and seen.get("order-2002", {}).get("total_minor") is not None
            and seen["order-2002"]["status"] == "refunded"
        ),
        what="the orders",
        seconds=30,
        every=0.2,
    )
    paid, refunded, fienta = (orders[one] for one in ("order-2001", "order-2002", "991"))
    processed = story.shop.get("/integrations/webhooks/processed", limit=200)["webhooks"]
    of_shop = [one for one in processed if one["source"] in ("make", "fienta")]
    story.report.table(
        "Orders",
        [
            ("webhooks recognised as repeats", 6, repeats),
            ("webhooks taken in", 6, len(of_shop)),
            ("orders", 3, len(story.shop.pages("/orders"))),
            ("cents of the Make order", 3950, paid["total_minor"]),
            ("cents of the Fienta order", 4500, fienta["total_minor"]),
            ("status of the paid one", "completed", paid["status"]),
            ("status of the refunded one", "refunded", refunded["status"]),
            ("Fienta tickets", 3, sum(line["quantity"] for line in _lines(story, fienta))),
        ],
    )
    _check_code(story, paid)


def _check_code(story: Story, order: dict[str, Any]) -> None:
    """The order names the code; using it up stays a decision of people."""
    code = story.shop.get(f"/codes/{_USED_CODE}")
    story.report.check("the order's code", [code["id"]], [one["code_id"] for one in order["codes"]])
    story.report.check("webhooks use up no code", "available", code["status"])
    story.report.say(
        f"The order was made with {_USED_CODE}, which is {code['status']}: webhooks use up no code."
    )


def repair_an_order(story: Story) -> None:
    """A webhook that cannot be read is listed with the reason, and comes again repaired."""
    story.report.step("A broken webhook")
    broken = _event("o-3", "order.created", {"id": "order-2003", "total": "beaucoup"})
    event_id = story.post_webhook("make", json.dumps(broken), "application/json")["event_id"]
    [failed] = _failed(story)
    story.report.say(f"Listed as failed: {failed['error']}")
    story.report.check("the failed webhook", event_id, failed["id"])
    story.shop.post(f"/webhook-events/{event_id}/replay")
    again = wait_for(
        lambda: _failed(story)[0], lambda row: row["replays"] == 1, what="the replay", seconds=30, every=0.2
    )
    story.report.check("replayed, it fails for the same reason", failed["error"], again["error"])
    repaired = _event("o-3", "order.created", {"id": "order-2003", "total": "1 234,50", "currency": "EUR"})
    story.post_webhook("make", json.dumps(repaired), "application/json")
    [order] = wait_for(
        lambda: story.shop.get("/orders", q="order-2003"),
        bool,
        what="the repaired order",
        seconds=30,
        every=0.2,
    )
    story.report.check("cents of the repaired order", 123450, order["total_minor"])
    story.report.say(f"Sent again repaired: {order['external_id']}, {order['total_minor']:,} cents")


def _failed(story: Story) -> list[dict[str, Any]]:
    return wait_for(
        lambda: story.shop.pages("/webhook-events", status="failed"),
        bool,
        what="the failed webhook",
        seconds=30,
        every=0.2,
    )


def _event(event_id: str, kind: str, order: dict[str, Any]) -> dict[str, Any]:
    return {"event_id": event_id, "event_type": kind, "order": order}


def _make_events() -> list[dict[str, Any]]:
    """Scenarios give the order's id as the event's; the refund of the second order comes first."""
    items = [{"name": "Atelier", "quantity": 2, "price": "19,75"}]
    late = _MAKE_ORDER | {"id": "order-2002", "total": 20.0}
    return [
        _event(
            "o-1",
            "order.created",
            _MAKE_ORDER | {"total": 39.5, "items": items, "discount_code": "atelier-0001"},
        ),
        _event("o-1", "order.completed", _MAKE_ORDER | {"total": "39,50"}),
        _event("o-2", "order.refunded", {"id": "order-2002"}),
        _event("o-2", "order.created", late),
    ]


def _fienta_bodies() -> list[dict[str, Any]]:
    """A ticket is validated before the completed order is told."""
    buyer = {"email": "odile@example.com"}
    ticket = {"code": "T-1", "status": "USED", "validated_at": "2025-09-15T18:00:00+03:00"}
    tickets = [
        {"code": "T-1", "qty": 2, "rows": [{"ticket_type": {"title": "Adulte"}}]},
        {"code": "T-2", "qty": 1, "rows": [{"ticket_type": {"title": "Enfant"}}]},
    ]
    payment = {"total": 4500, "currency": "EUR"}
    return [
        {"ticket": ticket | {"order": {"id": 991, "status": "COMPLETED", "buyer": buyer}}},
        {"order": {"id": 991, "status": "COMPLETED", "buyer": buyer, "payment": payment, "tickets": tickets}},
    ]


def _twice(story: Story, kind: str, body: dict[str, Any]) -> int:
    """Post a webhook twice; how many of them were recognised as repeats."""
    text = json.dumps(body)
    return sum(story.post_webhook(kind, text, "application/json")["duplicate"] for _ in range(2))


def _lines(story: Story, order: dict[str, Any]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = story.shop.get(f"/orders/{order['id']}")["lines"]
    return lines
