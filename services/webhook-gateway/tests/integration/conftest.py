"""A gateway on a database of the test's own, as the runtime role, with small services behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.testing import TokenMint
from shared.testing.databases import ensure_template
from shared.testing.plugin import OpenDatabase
from shared.web import Overrides
from webhook_gateway.app import create_app
from webhook_gateway.server import server_config
from webhook_gateway.settings import GatewaySettings

from .support import FakeServices, Gateway, StartGateway, serving


@pytest.fixture(scope="session")
def database_template() -> str:
    """Also with auth-service's tables, where sessions end."""
    return asyncio.run(ensure_template("gateway", "auth"))


@pytest.fixture
def auth(mint: TokenMint, tenant_a: UUID) -> dict[str, str]:
    """Headers of the owner of tenant A."""
    return mint.headers(tenant_a)


@pytest.fixture
async def services(mint: TokenMint, tenant_a: UUID) -> AsyncIterator[FakeServices]:
    """All services behind the gateway, on one real port."""
    fake = FakeServices(mint, tenant_a)
    async with serving(fake) as port:
        fake.url = f"http://127.0.0.1:{port}"
        yield fake


@pytest.fixture
async def start_gateway(
    open_database: OpenDatabase,
    mint: TokenMint,
    services: FakeServices,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[StartGateway]:
    """`await start_gateway(rate_limit_requests=5)`: a gateway with these settings."""
    for name in ("AUTH", "CAMPAIGN", "CODE", "PROPERTY"):
        monkeypatch.setenv(f"{name}_SERVICE_URL", services.url)
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Gateway:
            db = await open_database("gateway", 8)
            app = create_app(GatewaySettings(**({"rate_limit_enabled": False} | settings)))
            app.state.overrides = Overrides(db=db, fetch_jwks=mint.fetch_jwks)
            port = await stack.enter_async_context(serving(app, server_config(app, "127.0.0.1", 0)))
            client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20)
            http = await stack.enter_async_context(client)
            return Gateway(port, app, db, http)

        yield start


@pytest.fixture
async def gateway(start_gateway: StartGateway) -> Gateway:
    """A gateway without a rate limit."""
    return await start_gateway()


@pytest.fixture
async def quiet(start_gateway: StartGateway) -> Gateway:
    """A gateway whose events stay in the outbox: its bus cannot be reached."""
    return await start_gateway(events_url="amqp://127.0.0.1:9/")
