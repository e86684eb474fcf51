"""A running code-service on a database of the test's own, as the runtime role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from code_service.app import create_app
from code_service.settings import Settings
from shared.database import SimpleDatabase
from shared.testing import FakeClock, TokenMint
from shared.testing.clients import service_client
from shared.testing.databases import ensure_template
from shared.testing.plugin import OpenDatabase

from .integration.codes_kit import SERVICE_KEY, Codes


@pytest.fixture(scope="session")
def database_template() -> str:
    """Without the tables of other services."""
    return asyncio.run(ensure_template("code"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        python_env="test",
        data_dir=tmp_path / "data",
        events_url="postgres://",
        sweep_seconds=3600,
        internal_service_keys=f"campaign-service:{SERVICE_KEY}",
    )


@pytest.fixture
async def db(open_database: OpenDatabase) -> SimpleDatabase:
    return await open_database("code", 8)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


@pytest.fixture
async def client(app: FastAPI, db: SimpleDatabase, mint: TokenMint) -> AsyncIterator[httpx.AsyncClient]:
    """The service in-process; requests need `headers` of a caller."""
    async with service_client(app, db, mint) as client:
        await app.state.runtime.events._relay.stop()
        yield client


@pytest.fixture
def headers(mint: TokenMint, tenant_a: UUID) -> dict[str, str]:
    """The owner of tenant A."""
    return mint.headers(tenant_a)


@pytest.fixture
def codes(client: httpx.AsyncClient, headers: dict[str, str]) -> Codes:
    return Codes(client, headers)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC))


@pytest.fixture
async def timed(
    app: FastAPI, db: SimpleDatabase, mint: TokenMint, clock: FakeClock, tenant_a: UUID
) -> AsyncIterator[Codes]:
    """The service on a clock that the test moves; its sweeper is called by the test."""
    lasting = mint.headers(tenant_a, exp=int(clock.now().timestamp()) + 10**7)
    async with service_client(app, db, mint, clock) as client:
        yield Codes(client, lasting)
