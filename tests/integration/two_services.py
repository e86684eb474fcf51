"""campaign-service and code-service together, and the line between them, which loses answers on demand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import uvicorn
from fastapi import FastAPI

from campaign_service.app import create_app as create_campaign
from campaign_service.settings import Settings as CampaignSettings
from code_service.app import create_app as create_code
from code_service.settings import Settings as CodeSettings
from shared.database import SimpleDatabase
from shared.testing import FakeClock, TokenMint
from shared.testing.clients import service_client
from shared.testing.databases import runtime_database
from shared.utils.clock import SystemClock

SECRET = "a secret of the tests"
SERVICE_KEY = "a key that only the tests use and 32 long"


@dataclass
class Line:
    """Between campaign-service and code-service: answers can be lost or kept back after the work was done."""

    app: Any
    loses: int = 0
    keeps_back: bool = False
    allocations: int = 0
    kept: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        said: list[Any] = []

        async def note(message: Any) -> None:
            said.append(message)

        await self.app(scope, receive, note)
        if scope["path"].endswith("/allocate"):
            self.allocations += 1
            if self.keeps_back:
                self.kept.set()
                await asyncio.Event().wait()
        if self.loses:
            self.loses -= 1
            raise ConnectionError("the line was cut")
        for message in said:
            await send(message)


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """An app that was started, over HTTP; its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="critical"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn offers nothing to wait for
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await task


@dataclass
class Pair:
    """Both services as one tenant's owner sees them; `url` is where code-service is served by the line."""

    campaigns: httpx.AsyncClient
    codes: httpx.AsyncClient
    campaigns_app: FastAPI
    codes_app: FastAPI
    db: SimpleDatabase
    line: Line
    url: str
    tenant: UUID
    headers: dict[str, str]
    clock: FakeClock

    async def data(self, client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
        answer = await client.request(method, path, json=body, headers=self.headers)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json()["data"]


@asynccontextmanager
async def two_services(dsn: str, mint: TokenMint, tenant: UUID, folder: Path) -> AsyncIterator[Pair]:
    """Both run on a clock of the test's; campaign-service sends nothing by itself."""
    clock = FakeClock(SystemClock().now())
    codes_app = create_code(
        CodeSettings(
            python_env="test",
            data_dir=folder,
            events_url="postgres://",
            internal_service_keys=f"campaign-service:{SERVICE_KEY}",
        )
    )
    campaigns_app = create_campaign(
        CampaignSettings(
            python_env="test",
            service_role="api",
            events_url="postgres://",
            jwt_secret=SECRET,
            internal_service_key=SERVICE_KEY,
        )
    )
    line = Line(codes_app)
    headers = mint.headers(tenant, exp=int(time.time()) + 10**7)
    async with AsyncExitStack() as stack:
        pools = {}
        for schema in ("code", "campaign"):
            pools[schema] = runtime_database(dsn, schema)
            await pools[schema].connect()
            stack.push_async_callback(pools[schema].close)
        codes = await stack.enter_async_context(service_client(codes_app, pools["code"], mint, clock))
        campaigns = await stack.enter_async_context(
            service_client(campaigns_app, pools["campaign"], mint, clock)
        )
        url = await stack.enter_async_context(served(line))
        yield Pair(
            campaigns, codes, campaigns_app, codes_app, pools["campaign"], line, url, tenant, headers, clock
        )
