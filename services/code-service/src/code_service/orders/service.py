"""Recording what webhooks say of orders, and showing orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from code_service.orders import repository
from code_service.orders.facts import OrderFact, OrderState, Source, fold, is_news, without_customer
from code_service.orders.schemas import OrderDetail, OrderOut
from shared.database import Tx
from shared.errors import NotFoundError
from shared.events import new_event
from shared.events.catalog import OrderRecorded
from shared.web import Runtime


async def record(tx: Tx, rt: Runtime, source: Source, fact: OrderFact) -> bool:
    """Add a fact to its order; whether that changed the order, which is then told to others.

    Codes stay as they are: only our own transitions use them up.
    """
    now = rt.clock.now()
    order_id, is_forgotten = await repository.lock(tx, tx.tenant, source, fact.external_id, now)
    if is_forgotten:
        fact = without_customer(fact)
    if not await repository.add_fact(tx, tx.tenant, order_id, fact):
        return False
    known = await repository.facts(tx, tx.tenant, order_id, fact.external_id)
    earlier = [one for one in known if one.inbound_id != fact.inbound_id]
    before, state = fold(earlier) if earlier else None, fold(known)
    if before == state:
        return False
    await repository.save(tx, tx.tenant, order_id, state, now)
    if before is not None and not is_news(before, state):
        return False
    await rt.events.publish(tx, _recorded(tx.tenant, order_id, source, fact, state))
    return True


def _recorded(tenant_id: UUID, order_id: UUID, source: Source, fact: OrderFact, state: OrderState) -> Any:
    data = OrderRecorded(
        order_id=order_id,
        external_id=fact.external_id,
        source=source,
        status=state.status,
        total_minor=state.total_minor,
        currency=state.currency,
        customer_email=state.customer_email,
        codes=list(state.codes),
        occurred_at=state.status_at,
    )
    return new_event("code.order.recorded.v1", data, tenant_id=tenant_id, subject=str(order_id))


async def forget_customer(tx: Tx, rt: Runtime, tenant_id: UUID, order_id: UUID) -> OrderDetail:
    """The order without its customer, now and whatever comes later. Raises `NotFoundError`."""
    await repository.forget_customer(tx, tenant_id, order_id, rt.clock.now())
    return await detail(tx, tenant_id, order_id)


async def with_codes(tx: Tx, tenant_id: UUID, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of orders, each with its `codes`."""
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for code in await repository.codes_of(tx, tenant_id, [row["id"] for row in rows]):
        found[code["order_id"]].append(code)
    return [row | {"codes": found[row["id"]]} for row in rows]


def summary(row: dict[str, Any]) -> OrderOut:
    return OrderOut.model_validate(row)


async def detail(tx: Tx, tenant_id: UUID, order_id: UUID) -> OrderDetail:
    """One order with its lines and history. Raises `NotFoundError`."""
    row = await repository.find(tx, tenant_id, order_id)
    if row is None:
        raise NotFoundError("There is no such order")
    (order,) = await with_codes(tx, tenant_id, [row])
    return OrderDetail.model_validate(
        order
        | {
            "lines": await repository.lines(tx, tenant_id, order_id),
            "history": await repository.history(tx, tenant_id, order_id),
        }
    )
