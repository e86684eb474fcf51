"""Webhooks that a service could not handle: shown, replayed, and no obstacle to what comes after them."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.events import new_event
from shared.events.consumer import Dispatcher
from shared.events.transports.base import Delivery, Done
from shared.utils import utc_now, uuid7
from webhook_gateway.consumers import CONSUMERS

from .support import Gateway, events, make_source, published

BROKEN = {"event_id": "e-1", "event_type": "order.created", "order": {"id": 1, "total": "much"}}


class Make:
    """A Make scenario of tenant A."""

    def __init__(self, gateway: Gateway, token: str, tenant: UUID) -> None:
        self.gateway = gateway
        self.token = token
        self.tenant = tenant

    async def post(self, body: dict[str, Any] = BROKEN) -> httpx.Response:
        headers = {"x-make-token": self.token}
        return await self.gateway.http.post("/integrations/make/webhook", headers=headers, json=body)

    async def failed(self, body: dict[str, Any] = BROKEN) -> str:
        """The id of a webhook that a service gave up on."""
        event_id: str = (await self.post(body)).json()["data"]["event_id"]
        await self.give_up(event_id)
        return event_id

    async def give_up(self, event_id: str, tenant: UUID | None = None) -> None:
        failure = {
            "inbound_id": event_id,
            "consumer": "make-webhooks",
            "error": "order.total is no clear amount",
            "attempts": 1,
            "failed_at": utc_now(),
        }
        event = new_event(
            "webhook.processing.failed.v1", failure, tenant_id=tenant or self.tenant, source="/code-service"
        )
        consumer = next(one for one in CONSUMERS if event.type in one.types)
        assert isinstance(await Dispatcher(consumer, self.gateway.db, None)(Delivery(event, 0)), Done)


@pytest.fixture
async def make(quiet: Gateway, auth: dict[str, str], tenant_a: UUID) -> Make:
    return Make(quiet, (await make_source(quiet, auth, "make"))["token"], tenant_a)


async def test_a_failure_is_listed_with_its_reason(make: Make, quiet: Gateway, auth: dict[str, str]) -> None:
    event_id = await make.failed()
    await make.post(BROKEN | {"event_id": "e-2"})
    (failed,) = await events(quiet, auth, "?status=failed")
    assert (failed["id"], failed["error_code"]) == (event_id, "PROCESSING_FAILED")
    assert failed["error"] == "order.total is no clear amount"
    processed = await quiet.http.get("/integrations/webhooks/processed", headers=auth)
    second, first = processed.json()["data"]["webhooks"]
    assert (first["event_id"], first["status"], first["processed_at"]) == ("e-1", "failed", None)
    assert first["error_message"] == "order.total is no clear amount"
    assert (second["event_id"], second["status"]) == ("e-2", "received")


async def test_a_failed_webhook_can_be_replayed_and_may_fail_again(
    make: Make, quiet: Gateway, auth: dict[str, str]
) -> None:
    event_id = await make.failed()
    replayed = await quiet.http.post(f"/webhook-events/{event_id}/replay", headers=auth)
    assert replayed.status_code == 202
    assert await events(quiet, auth, "?status=failed") == []
    (row,) = await events(quiet, auth)
    assert (row["status"], row["error"], row["replays"]) == ("received", None, 1)
    await make.give_up(event_id)
    (again,) = await events(quiet, auth, "?status=failed")
    assert (again["id"], again["replays"]) == (event_id, 1)


async def test_what_failed_may_come_again_repaired_under_its_id(
    make: Make, quiet: Gateway, auth: dict[str, str]
) -> None:
    failed = await make.failed()
    repaired = BROKEN | {"order": {"id": 1, "total": 5}}
    answers = await asyncio.gather(*(make.post(repaired) for _ in range(5)))
    data = [answer.json()["data"] for answer in answers]
    assert sorted(one["duplicate"] for one in data) == [False, True, True, True, True]
    assert len({one["event_id"] for one in data}) == 1
    assert len(await published(quiet.db, make.tenant)) == 2
    assert [row["id"] for row in await events(quiet, auth, "?status=failed")] == [failed]
    assert (await make.post(BROKEN)).json()["data"]["conflict"] is True


async def test_nobody_fails_the_webhook_of_another_tenant(
    make: Make, quiet: Gateway, auth: dict[str, str], tenant_b: UUID
) -> None:
    event_id = (await make.post()).json()["data"]["event_id"]
    await make.give_up(event_id, tenant_b)
    await make.give_up(str(uuid7()))
    assert [row["status"] for row in await events(quiet, auth)] == ["received"]
