"""Shapes of orders in answers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from code_service.codes.lifecycle import Status as CodeStatus
from code_service.orders.facts import Source, Status


class OrderCode(BaseModel):
    """A discount code used on the order. `code_id`, `our_code` and `code_status` are ours, if we have it."""

    code: str
    code_id: UUID | None
    our_code: str | None
    code_status: CodeStatus | None


class OrderOut(BaseModel):
    """An order. `total_minor` counts the smallest unit of `currency`, hundredths when there is none.

    `external_id` is the shop's id of it, `event_ref` the shop's event it is for; it has its status since
    `status_at`.
    """

    id: UUID
    source: Source
    external_id: str
    status: Status
    total_minor: int | None
    currency: str | None
    customer_email: str | None
    customer_name: str | None
    event_ref: str | None
    ordered_at: datetime
    status_at: datetime
    created_at: datetime
    updated_at: datetime
    codes: list[OrderCode]


class OrderLine(BaseModel):
    """`unit_minor` is the price of one, if the shop tells it."""

    name: str
    quantity: int
    unit_minor: int | None


class OrderFactOut(BaseModel):
    """One webhook about the order: its id in `/webhook-events`, what it said, and its own time of it."""

    webhook_id: UUID
    status: Status | None
    at: datetime | None
    received_at: datetime


class OrderDetail(OrderOut):
    lines: list[OrderLine]
    history: list[OrderFactOut]
