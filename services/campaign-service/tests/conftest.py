"""A running campaign-service on a database of the test's own, as the runtime role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from campaign_service.app import create_app
from campaign_service.settings import Settings
from shared.database import SimpleDatabase
from shared.testing import TokenMint, fresh_database
from shared.testing.clients import service_client
from shared.testing.databases import ensure_template
from shared.testing.plugin import OpenDatabase

from .integration.campaigns_kit import Kit, open_kit
from .integration.contacts_kit import Contacts


@pytest.fixture(scope="session")
def database_template() -> str:
    """Without the tables of other services."""
    return asyncio.run(ensure_template("campaign"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(python_env="test", data_dir=tmp_path / "data", events_url="postgres://")


@pytest.fixture
async def db(open_database: OpenDatabase) -> SimpleDatabase:
    return await open_database("campaign", 8)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


@pytest.fixture
async def client(app: FastAPI, db: SimpleDatabase, mint: TokenMint) -> AsyncIterator[httpx.AsyncClient]:
    """The service in-process; requests need `headers` of a caller."""
    async with service_client(app, db, mint) as client:
        yield client


@pytest.fixture
def headers(mint: TokenMint, tenant_a: UUID) -> dict[str, str]:
    """The owner of tenant A."""
    return mint.headers(tenant_a)


@pytest.fixture
def contacts(client: httpx.AsyncClient, tenant_a: UUID, headers: dict[str, str]) -> Contacts:
    return Contacts(client, tenant_a, headers)


@pytest.fixture(scope="session")
def common_dsn(database_template: str) -> Iterator[str]:
    """An administrator's address of the database that these tests share."""
    with asyncio.Runner() as runner:
        opened = fresh_database(database_template)
        yield runner.run(opened.__aenter__())
        runner.run(opened.__aexit__(None, None, None))


@pytest.fixture
async def kit(common_dsn: str, mint: TokenMint, tenant_a: UUID) -> AsyncIterator[Kit]:
    """The app, seen by a new tenant."""
    async with open_kit(common_dsn, mint, tenant_a) as opened:
        yield opened


@pytest.fixture
async def lone_kit(database_dsn: str, mint: TokenMint, tenant_a: UUID) -> AsyncIterator[Kit]:
    """The app with a single tenant in its database."""
    async with open_kit(database_dsn, mint, tenant_a) as opened:
        yield opened
