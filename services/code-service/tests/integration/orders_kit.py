"""Webhooks of the ticket shop as the event bus brings them, and the orders that come of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import FastAPI

from code_service.consumers import CONSUMERS
from shared.database import SimpleDatabase
from shared.events import Event, new_event
from shared.events.consumer import Dispatcher
from shared.events.transports.base import Delivery, Done, GiveUp, Outcome
from shared.utils import uuid7

from .codes_kit import Codes

START = datetime(2025, 9, 15, 12, tzinfo=UTC)


def make_order(kind: str, order_id: str = "o-1", **order: Any) -> dict[str, Any]:
    return {"event_id": str(uuid7()), "event_type": f"order.{kind}", "order": {"id": order_id, **order}}


def webhook(
    tenant: UUID, source: str, body: Any, *, minute: int = 0, inbound_id: UUID | None = None
) -> Event:
    """A received webhook as the gateway publishes it; `body` is JSON, or text as it is."""
    data = {
        "inbound_id": inbound_id or uuid7(),
        "source_type": source,
        "body": body if isinstance(body, str) else json.dumps(body),
        "received_at": START + timedelta(minutes=minute),
    }
    return new_event(f"webhook.{source}.received.v1", data, tenant_id=tenant, source="/webhook-gateway")


class Orders:
    """The consumers and the routes of one tenant's orders."""

    def __init__(self, app: FastAPI, db: SimpleDatabase, codes: Codes, tenant: UUID) -> None:
        self.runtime = app.state.runtime
        self.db = db
        self.codes = codes
        self.tenant = tenant

    async def deliver(self, event: Event, attempt: int = 0) -> Outcome:
        consumer = next(one for one in CONSUMERS if event.type in one.types)
        return await Dispatcher(consumer, self.db, self.runtime)(Delivery(event, attempt))

    async def receive(self, source: str, body: Any, **more: Any) -> Outcome:
        return await self.deliver(webhook(self.tenant, source, body, **more))

    async def make(self, kind: str, order_id: str = "o-1", *, minute: int = 0, **order: Any) -> None:
        outcome = await self.receive("make", make_order(kind, order_id, **order), minute=minute)
        assert isinstance(outcome, Done), outcome

    async def refused(self, source: str, body: Any) -> str:
        """Why a webhook was given up on at once."""
        outcome = await self.receive(source, body)
        assert isinstance(outcome, GiveUp), outcome
        return outcome.error

    async def listed(self, query: str = "") -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = await self.codes.data("GET", f"/orders{query}")
        return listed

    async def only(self) -> dict[str, Any]:
        """The one order there is, in full."""
        (order,) = await self.listed()
        full: dict[str, Any] = await self.codes.data("GET", f"/orders/{order['id']}")
        return full

    async def told(self, kind: str = "code.order.recorded.v1") -> list[dict[str, Any]]:
        async with self.db.tenant_tx(self.tenant) as tx:
            rows = await tx.fetch("SELECT data FROM outbox WHERE type = $1 ORDER BY id", kind)
        return [row["data"] for row in rows]
