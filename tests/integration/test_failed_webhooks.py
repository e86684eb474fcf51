"""From a scenario's webhook to an order and back to the history, over each event transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from code_service.app import create_app as create_code
from code_service.settings import Settings as CodeSettings
from shared.config import service_spec
from shared.testing.clients import ServableApp, service_client
from shared.testing.databases import runtime_database
from shared.testing.identities import TokenMint
from webhook_gateway.app import create_app as create_gateway
from webhook_gateway.settings import GatewaySettings

BROKEN = {"event_id": "e-1", "event_type": "order.created", "order": {"id": "o-1", "total": "much"}}
REPAIRED = {**BROKEN, "order": {"id": "o-1", "total": "12,50", "currency": "EUR"}}


async def eventually(look: Callable[[], Awaitable[Any]]) -> Any:
    """What `look` finds, once it finds something; the limit only ends a test that hangs."""
    async with asyncio.timeout(30):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(0.05)


@dataclass
class Shop:
    """The gateway and code-service as one tenant sees them."""

    gateway: httpx.AsyncClient
    codes: httpx.AsyncClient
    dead_letters: Any
    headers: dict[str, str]
    token: str = ""

    async def start(self) -> None:
        source = {"name": "shop", "type": "make"}
        made = await self.gateway.post("/webhook-sources", json=source, headers=self.headers)
        self.token = made.json()["data"]["token"]

    async def post(self, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"x-make-token": self.token}
        answer = await self.gateway.post("/integrations/make/webhook", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def failed(self, replays: int = 0) -> list[dict[str, Any]]:
        answer = await self.gateway.get("/webhook-events?status=failed", headers=self.headers)
        return [row for row in answer.json()["data"] if row["replays"] == replays]

    async def orders(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = (await self.codes.get("/orders", headers=self.headers)).json()["data"]
        return listed


@asynccontextmanager
async def open_shop(
    dsn: str, events_url: str, mint: TokenMint, tenant: UUID, data: Path
) -> AsyncIterator[Shop]:
    events: dict[str, Any] = {"events_url": events_url, "events_namespace": f"t{uuid4().hex[:10]}"}
    gateway, codes = (
        create_gateway(GatewaySettings(**events)),
        create_code(CodeSettings(data_dir=data, **events)),
    )
    async with AsyncExitStack() as stack:

        async def served(name: str, app: ServableApp) -> httpx.AsyncClient:
            db = runtime_database(dsn, service_spec(name).schema)
            await db.connect()
            stack.push_async_callback(db.close)
            return await stack.enter_async_context(service_client(app, db, mint))

        shop = Shop(
            await served("webhook-gateway", gateway),
            await served("code-service", codes),
            codes.state.runtime.events.dead_letters,
            mint.headers(tenant),
        )
        await shop.start()
        yield shop


@pytest.mark.parametrize("transport", ["postgres", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def test_a_webhook_that_fails_is_listed_replayed_and_repaired(
    transport: str,
    request: pytest.FixtureRequest,
    database_dsn: str,
    mint: TokenMint,
    tenant_a: UUID,
    tmp_path: Path,
) -> None:
    url = request.getfixturevalue("amqp_url") if transport == "rabbitmq" else "postgres://"
    async with open_shop(database_dsn, url, mint, tenant_a, tmp_path) as shop:
        event_id = (await shop.post(BROKEN))["event_id"]
        (failed,) = await eventually(shop.failed)
        assert (failed["id"], failed["error"]) == (event_id, "order.total is no clear amount")

        replayed = await shop.gateway.post(f"/webhook-events/{event_id}/replay", headers=shop.headers)
        assert replayed.status_code == 202
        (again,) = await eventually(lambda: shop.failed(replays=1))
        assert again["id"] == event_id
        assert await shop.orders() == []

        assert (await shop.post(REPAIRED))["duplicate"] is False
        (order,) = await eventually(shop.orders)
        assert (order["total_minor"], order["currency"]) == (1250, "EUR")
        assert (await shop.post(REPAIRED))["duplicate"] is True
        await check_dead_letters(shop, tenant_a)


async def test_of_twenty_equal_webhooks_at_once_one_order_comes(
    database_dsn: str, mint: TokenMint, tenant_a: UUID, tmp_path: Path
) -> None:
    async with open_shop(database_dsn, "postgres://", mint, tenant_a, tmp_path) as shop:
        answers = await asyncio.gather(*(shop.post(REPAIRED) for _ in range(20)))
        assert [answer["duplicate"] for answer in answers].count(False) == 1
        (order,) = await eventually(shop.orders)
        detail = await shop.codes.get(f"/orders/{order['id']}", headers=shop.headers)
        assert len(detail.json()["data"]["history"]) == 1


async def check_dead_letters(shop: Shop, tenant: UUID) -> None:
    """Operators see both attempts, and delivering one once more tells the tenant once more."""
    letters = await eventually(lambda: two(shop))
    assert {letter.event.tenant_id for letter in letters} == {tenant}
    assert await shop.dead_letters.replay(letters[0].event.id) == 1
    assert len(await eventually(lambda: two(shop))) == 2


async def two(shop: Shop) -> list[Any]:
    letters: list[Any] = await shop.dead_letters.list()
    return letters if len(letters) == 2 else []
