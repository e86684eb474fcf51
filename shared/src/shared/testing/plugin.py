"""pytest plugin with the fixtures every service uses."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID

import pytest

from shared.database import SimpleDatabase
from shared.testing.clock import FakeClock
from shared.testing.databases import ensure_template, fresh_database, runtime_database
from shared.testing.identities import TokenMint
from shared.utils.ids import uuid7
from shared.utils.logging import configure_logging

OpenDatabase = Callable[..., Awaitable[SimpleDatabase]]


def pytest_configure() -> None:
    configure_logging("error")
    # Each HTTP client reads the authorities it trusts, for 30 ms; no test speaks to the outside world.
    os.environ.pop("SSL_CERT_FILE", None)
    os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)


@pytest.fixture(scope="session")
def database_template() -> str:
    """Name of the migrated template database; folders that need fewer schemas have their own."""
    return asyncio.run(ensure_template())


@pytest.fixture
async def database_dsn(database_template: str) -> AsyncIterator[str]:
    """An administrator's address of a database of this test's own."""
    async with fresh_database(database_template) as dsn:
        yield dsn


@pytest.fixture
async def open_database(database_dsn: str) -> AsyncIterator[OpenDatabase]:
    """`await open_database("campaign")`: a connected pool of the runtime role of a schema."""
    async with AsyncExitStack() as stack:

        async def opened(schema: str, max_connections: int = 5) -> SimpleDatabase:
            database = runtime_database(database_dsn, schema, max_connections)
            await database.connect()
            stack.push_async_callback(database.close)
            return database

        yield opened


@pytest.fixture
def tenant_a() -> UUID:
    return uuid7()


@pytest.fixture
def tenant_b() -> UUID:
    return uuid7()


@pytest.fixture(scope="session")
def mint() -> TokenMint:
    """Signs access tokens that apps under test accept."""
    return TokenMint()


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def amqp_url() -> str:
    """A RabbitMQ server for tests; the test is skipped, and CI fails, where there is none."""
    url = os.environ.get("TEST_AMQP_URL")
    if not url:
        pytest.skip("no RabbitMQ server (TEST_AMQP_URL)")
    return url
