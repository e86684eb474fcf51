"""A running auth-service on a database of the test's own, as the runtime role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from auth_service.app import create_app
from auth_service.settings import AuthSettings
from shared.database import SimpleDatabase
from shared.testing import FakeClock, TokenMint
from shared.testing.clients import service_client
from shared.testing.databases import ensure_template
from shared.testing.plugin import OpenDatabase

from .support import Accounts, CountingHasher, cheap_settings


@pytest.fixture(scope="session")
def database_template() -> str:
    """Without the tables of other services."""
    return asyncio.run(ensure_template("auth"))


@pytest.fixture
def settings() -> AuthSettings:
    return cheap_settings()


@pytest.fixture
def clock() -> FakeClock:
    """Starts at the real time, because the tests' own tokens do."""
    return FakeClock(datetime.now(UTC).replace(microsecond=0))


@pytest.fixture
def hasher(settings: AuthSettings) -> CountingHasher:
    return CountingHasher(settings)


@pytest.fixture
async def db(open_database: OpenDatabase) -> SimpleDatabase:
    return await open_database("auth", 8)


@pytest.fixture
def app(settings: AuthSettings, hasher: CountingHasher) -> FastAPI:
    return create_app(settings, hasher)


@pytest.fixture
async def client(
    app: FastAPI, db: SimpleDatabase, mint: TokenMint, clock: FakeClock
) -> AsyncIterator[httpx.AsyncClient]:
    async with service_client(app, db, mint, clock) as client:
        # What is published stays in the outbox, where the tests look.
        await app.state.runtime.events._relay.stop()
        yield client


@pytest.fixture
def accounts(client: httpx.AsyncClient, app: FastAPI, db: SimpleDatabase, clock: FakeClock) -> Accounts:
    return Accounts(client, app, db, clock)
