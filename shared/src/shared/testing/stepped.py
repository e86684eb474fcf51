"""A running service for tests that are not asynchronous, such as the rules of a state machine."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import httpx

from shared.database import SimpleDatabase
from shared.testing.clients import ServableApp, service_client
from shared.testing.clock import FakeClock
from shared.testing.databases import fresh_database, runtime_database
from shared.testing.identities import TokenMint

A = TypeVar("A", bound=ServableApp)
T = TypeVar("T")


class SteppedService(Generic[A]):
    """An app on a database of its own, in an event loop that goes on only inside `run` and `close`."""

    def __init__(self, app: A, schema: str, template: str, mint: TokenMint) -> None:
        self.app = app
        self.mint = mint
        self.clock = FakeClock(datetime.now(UTC).replace(microsecond=0))
        self.db: SimpleDatabase
        self.client: httpx.AsyncClient
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = asyncio.Event()
        self._task = self._loop.create_task(self._serve(schema, template))
        self.run(self._until_ready())

    async def _serve(self, schema: str, template: str) -> None:
        async with fresh_database(template) as dsn:
            self.db = runtime_database(dsn, schema, 8)
            await self.db.connect()
            async with service_client(self.app, self.db, self.mint, self.clock) as self.client:
                self._ready.set()
                await self._stop.wait()
            await self.db.close()

    async def _until_ready(self) -> None:
        """Raises what kept the service from starting."""
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait([ready, self._task], return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            await self._task

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        self._stop.set()
        self._loop.run_until_complete(self._task)
        self._loop.close()
