"""Orders in the webhooks of Make scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from code_service.orders.facts import OrderFact, Status, further, status_of
from code_service.orders.values import (
    UnreadableOrderError,
    currency,
    discount_codes,
    email,
    first_moment,
    mapping,
    minor_units,
    moment,
    objects,
    order_id,
    text,
    whole,
)

_MOST_LINES = 1000


def read_make(body: Mapping[str, Any], inbound_id: UUID, received_at: datetime) -> OrderFact | None:
    """The fact; None for an event about something else. Raises `UnreadableOrderError`.

    Amounts are decimal. `order.created_at` is when the order was made, not when this happened to it.
    """
    event_type = body.get("event_type")
    order, is_flat = _order(body)
    if order is None:
        if isinstance(event_type, str) and "order" in event_type.lower():
            raise UnreadableOrderError("order is missing")
        return None
    status = further(status_of(event_type), status_of(order.get("status")))
    return OrderFact(
        external_id=order_id(order.get("id"), "order.id"),
        inbound_id=inbound_id,
        received_at=received_at,
        status=status,
        at=_happened_at({} if is_flat else body, order, status, received_at),
        details=_details(order, status, received_at),
    )


def _order(body: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, bool]:
    """The order, and whether it stands flat in the body, by its `order_id`."""
    if isinstance(body.get("order"), dict):
        return body["order"], False
    if body.get("order_id") is not None:
        return {**body, "id": body["order_id"]}, True
    return None, False


def _happened_at(
    event: Mapping[str, Any], order: Mapping[str, Any], status: Status | None, received_at: datetime
) -> datetime | None:
    own = first_moment(event, ("occurred_at", "event_time", "timestamp", "created_at"), received_at)
    return own or first_moment(order, ("occurred_at", f"{status}_at", "updated_at"), received_at)


def _details(order: Mapping[str, Any], status: Status | None, received_at: datetime) -> dict[str, Any]:
    buyer = mapping(order.get("buyer")) or mapping(order.get("customer"))
    items = objects(order.get("items"))
    code = currency(order.get("currency"), "order.currency")
    ordered_at = moment(order.get("created_at") or order.get("order_date"), received_at)
    return {
        "total_minor": _total(order, code, status),
        "currency": code,
        "customer_email": email(
            order.get("buyer_email") or order.get("customer_email") or buyer.get("email")
        ),
        "customer_name": text(order.get("buyer_name") or order.get("customer_name") or buyer.get("name")),
        "ordered_at": ordered_at.isoformat() if ordered_at else None,
        "event_ref": text(mapping(order.get("event")).get("id") or order.get("event_ref")),
        "lines": _lines(items, code),
        "codes": discount_codes(order, *items),
    }


def _total(order: Mapping[str, Any], code: str | None, status: Status | None) -> int | None:
    given = order.get("total") if order.get("total") is not None else order.get("total_amount")
    total = minor_units(given, code, "order.total")
    if total is None or total >= 0:
        return total
    if status in ("refunded", "cancelled"):
        return None  # what was paid back, not what the order is about
    raise UnreadableOrderError("order.total is negative")


def _lines(items: list[Mapping[str, Any]], code: str | None) -> list[dict[str, Any]]:
    if len(items) > _MOST_LINES:
        raise UnreadableOrderError(f"order.items has more than {_MOST_LINES} lines")
    return [
        {
            "name": text(item.get("name") or item.get("title")) or "",
            "quantity": quantity
            if (quantity := whole(item.get("quantity"), f"{place}.quantity")) is not None
            else 1,
            "unit_minor": minor_units(item.get("price"), code, f"{place}.price"),
        }
        for number, item in enumerate(items)
        if (place := f"order.items[{number}]")
    ]
