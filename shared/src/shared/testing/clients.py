"""HTTP clients for apps under test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import httpx
from fastapi import APIRouter
from starlette.datastructures import State

from shared.database import SimpleDatabase
from shared.testing.identities import TokenMint
from shared.utils.clock import Clock, SystemClock
from shared.web.runtime import Overrides


class ServableApp(Protocol):
    """A FastAPI app, or what stands in front of one."""

    @property
    def state(self) -> State: ...
    @property
    def router(self) -> APIRouter: ...
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


@asynccontextmanager
async def service_client(
    app: ServableApp, db: SimpleDatabase, mint: TokenMint, clock: Clock | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """The app, started on `db`, its tokens checked against `mint`; a client that talks to it in-process."""
    app.state.overrides = Overrides(db=db, fetch_jwks=mint.fetch_jwks, clock=clock or SystemClock())
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service.test") as client,
    ):
        yield client
