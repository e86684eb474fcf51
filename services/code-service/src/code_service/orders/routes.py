"""/orders"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AfterValidator

from code_service.orders import repository, service
from code_service.orders.facts import Source, Status
from code_service.orders.repository import OrderFilter
from code_service.orders.schemas import OrderDetail, OrderOut
from code_service.orders.values import as_utc
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import AdminUser, CurrentUser, Page, ReadTx, RuntimeDep, TenantTx

router = APIRouter(prefix="/orders", tags=["orders"])

Moment = Annotated[datetime, AfterValidator(as_utc)]
Part = Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


@router.get("", responses=error_responses(400, 401, 422))
async def list_orders(
    user: CurrentUser,
    tx: ReadTx,
    page: Page,
    status: Annotated[Status | None, Query()] = None,
    source: Annotated[Source | None, Query()] = None,
    code: Part = None,
    q: Part = None,
    ordered_from: Annotated[Moment | None, Query(alias="from", description="Included")] = None,
    ordered_to: Annotated[Moment | None, Query(alias="to", description="Not included")] = None,
) -> ApiResponse[list[OrderOut]]:
    """Orders that webhooks told of, newest first. `q` looks into the shop's id and the customer."""
    wanted = OrderFilter(status, source, code, q, ordered_from, ordered_to)
    before = page.value(0), page.value(1)
    rows = await repository.page(tx, user.tenant_id, wanted, before, page.fetch_limit)
    orders = await service.with_codes(tx, user.tenant_id, rows)
    return page.respond(orders, lambda row: [row["ordered_at"], row["id"]], service.summary)


@router.get("/{order_id}", responses=error_responses(401, 404, 422))
async def get_order(order_id: UUID, user: CurrentUser, tx: ReadTx) -> ApiResponse[OrderDetail]:
    """One order with its lines and the webhooks it was made of."""
    return success_response(await service.detail(tx, user.tenant_id, order_id))


@router.delete("/{order_id}/customer", responses=error_responses(401, 403, 404, 422))
async def forget_customer(
    order_id: UUID, user: AdminUser, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[OrderDetail]:
    """Remove the customer's address and name for good; the order and its figures stay.

    The webhooks' own bodies are in `/webhook-events` until their retention ends.
    """
    return success_response(await service.forget_customer(tx, rt, user.tenant_id, order_id))
