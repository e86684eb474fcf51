"""Campaign tests share a database, each as a new tenant; what works over all tenants gets its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest

from shared.testing import TokenMint, fresh_database

from .campaigns_kit import Kit, open_kit


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
