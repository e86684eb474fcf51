"""Orders in Fienta's webhooks: a completed order, a ticket's registration form, a validated ticket."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from code_service.orders.facts import OrderFact, status_of
from code_service.orders.values import (
    UnreadableOrderError,
    cents,
    currency,
    discount_codes,
    email,
    first_moment,
    mapping,
    moment,
    objects,
    order_id,
    text,
    whole,
)

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_MOST_FIELDS = 5000
_MOST_DEPTH = 8
_MOST_TICKETS = 5000


def read_fienta(body: Mapping[str, Any], inbound_id: UUID, received_at: datetime, zone: tzinfo) -> OrderFact:
    """The fact. Raises `UnreadableOrderError`.

    `payment.total` is in cents; attendees' data is left out. `zone` is that of times that name none.
    """
    if isinstance(body.get("order"), dict):
        return _of_order(body["order"], inbound_id, received_at, zone)
    ticket = mapping(body.get("ticket"))
    order = mapping(ticket.get("order"))
    return OrderFact(
        external_id=order_id(order.get("id"), "order.id"),
        inbound_id=inbound_id,
        received_at=received_at,
        status=status_of(order.get("status")),
        at=first_moment(ticket, ("validated_at", "used_at", "updated_at", "created_at"), received_at, zone),
        details=_common(order) | {"event_ref": text(mapping(ticket.get("event")).get("id"))},
    )


def _of_order(order: Mapping[str, Any], inbound_id: UUID, received_at: datetime, zone: tzinfo) -> OrderFact:
    tickets = objects(order.get("tickets"))
    if len(tickets) > _MOST_TICKETS:
        raise UnreadableOrderError(f"order.tickets has more than {_MOST_TICKETS} tickets")
    payment = mapping(order.get("payment"))
    ordered_at = moment(order.get("created_at"), received_at, zone)
    total = cents(payment.get("total"), "order.payment.total")
    if total is not None and total < 0:
        raise UnreadableOrderError("order.payment.total is negative")
    return OrderFact(
        external_id=order_id(order.get("id"), "order.id"),
        inbound_id=inbound_id,
        received_at=received_at,
        status=status_of(order.get("status")),
        at=_happened_at(order, tickets, received_at, zone),
        details=_common(order)
        | {
            "total_minor": total,
            "currency": currency(payment.get("currency"), "order.payment.currency"),
            "ordered_at": ordered_at.isoformat() if ordered_at else None,
            "event_ref": text(mapping(order.get("event")).get("id")),
            "lines": _lines(tickets),
            "codes": discount_codes(order, payment, *tickets, *(row for t in tickets for row in _rows(t))),
        },
    )


def _happened_at(
    order: Mapping[str, Any], tickets: list[Mapping[str, Any]], received_at: datetime, zone: tzinfo
) -> datetime | None:
    """The order's own time of change, else the latest of its tickets'."""
    own = first_moment(
        order, ("updated_at", "refunded_at", "cancelled_at", "completed_at"), received_at, zone
    )
    of_tickets = (moment(ticket.get("updated_at"), received_at, zone) for ticket in tickets)
    return own or max((at for at in of_tickets if at is not None), default=None)


def _common(order: Mapping[str, Any]) -> dict[str, Any]:
    buyer = mapping(order.get("buyer"))
    parts = (text(buyer.get("first_name")), text(buyer.get("last_name")))
    name = text(buyer.get("name") or buyer.get("full_name")) or " ".join(part for part in parts if part)
    return {"customer_email": email(buyer.get("email")), "customer_name": name or None}


def _lines(tickets: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One line a kind of ticket. Fienta tells the price of the order alone."""
    counts: Counter[str] = Counter()
    for number, ticket in enumerate(tickets):
        titles = [text(mapping(row.get("ticket_type")).get("title")) or "" for row in _rows(ticket)] or [""]
        quantity = whole(ticket.get("qty"), f"order.tickets[{number}].qty")
        if len(titles) == 1:
            counts[titles[0]] += 1 if quantity is None else quantity
        else:
            counts.update(titles)
    return [{"name": name, "quantity": count, "unit_minor": None} for name, count in counts.items()]


def _rows(ticket: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return objects(ticket.get("rows"))


def read_form(body: str) -> dict[str, Any]:
    """A form as PHP writes one: `order[id]=5&order[buyer][email]=…`. Lists become objects' lists again."""
    try:
        pairs = parse_qsl(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise UnreadableOrderError("the form has too many fields") from None
    root: dict[str, Any] = {}
    for key, value in pairs:
        match = _KEY.fullmatch(key)
        if match is None:
            continue
        _put(root, [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])], value)
    listed: dict[str, Any] = _listed(root)
    return listed


def _put(root: dict[str, Any], path: list[str], value: str) -> None:
    if len(path) > _MOST_DEPTH:
        raise UnreadableOrderError("the form is nested too deep")
    place = root
    for step in path[:-1]:
        inner = place.setdefault(step or str(len(place)), {})
        if not isinstance(inner, dict):
            return
        place = inner
    place[path[-1] or str(len(place))] = value


def _listed(value: Any) -> Any:
    """Objects whose keys are 0, 1, 2 … as lists."""
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(one) for key, one in value.items()}
    if inner and list(inner) == [str(number) for number in range(len(inner))]:
        return list(inner.values())
    return inner
