"""HTTP clients for apps under test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from shared.database import SimpleDatabase
from shared.testing.identities import TokenMint
from shared.utils.clock import Clock, SystemClock
from shared.web.runtime import Overrides


@asynccontextmanager
async def service_client(
    app: FastAPI, db: SimpleDatabase, mint: TokenMint, clock: Clock | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """The app, started on `db`, its tokens checked against `mint`; a client that talks to it in-process."""
    app.state.overrides = Overrides(db=db, fetch_jwks=mint.fetch_jwks, clock=clock or SystemClock())
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service.test") as client,
    ):
        yield client
