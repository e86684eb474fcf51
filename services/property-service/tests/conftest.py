"""A running property-service on a database of the test's own, as the runtime role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from property_service.app import create_app
from property_service.settings import Settings
from shared.database import SimpleDatabase
from shared.testing import FakeClock, TokenMint
from shared.testing.clients import service_client
from shared.testing.databases import ensure_template
from shared.testing.plugin import OpenDatabase

from .integration.clients_kit import Clients, add_city
from .integration.reports_kit import NOON, Agency
from .integration.sales_kit import Archive


@pytest.fixture(scope="session")
def database_template() -> str:
    """Also with campaign-service's tables, where a report's mails end."""
    return asyncio.run(ensure_template("property", "campaign"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(python_env="test", data_dir=tmp_path / "data", events_url="postgres://")


@pytest.fixture
async def db(open_database: OpenDatabase) -> SimpleDatabase:
    return await open_database("property", 8)


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
async def agency(
    settings: Settings, db: SimpleDatabase, mint: TokenMint, tenant_a: UUID, database_dsn: str
) -> AsyncIterator[Agency]:
    """A tenant whose jobs run when the test says so, on a clock that the test moves."""
    app = create_app(settings.model_copy(update={"service_role": "api"}))
    clock = FakeClock(NOON)
    async with service_client(app, db, mint, clock) as http:
        # What is published stays in the outbox, where the tests look.
        await app.state.runtime.events._relay.stop()
        yield Agency(app, http, db, clock, mint, tenant_a, database_dsn)


@pytest.fixture
async def clients(
    client: httpx.AsyncClient, app: FastAPI, db: SimpleDatabase, headers: dict[str, str], tenant_a: UUID
) -> Clients:
    """Tenant A's clients; there is a city to choose."""
    city_id = await add_city(db, "01053", "Bourg-en-Bresse")
    return Clients(client, headers, app.state.runtime, tenant_a, city_id)


@pytest.fixture
async def archive(
    settings: Settings, db: SimpleDatabase, mint: TokenMint, tenant_a: UUID
) -> AsyncIterator[Archive]:
    """Open data, imported by tenant A when the test says so."""
    app = create_app(settings.model_copy(update={"service_role": "api"}))
    clock = FakeClock(NOON)
    async with service_client(app, db, mint, clock) as http:
        await app.state.runtime.events._relay.stop()
        yield Archive(app, http, db, clock, mint, tenant_a)
