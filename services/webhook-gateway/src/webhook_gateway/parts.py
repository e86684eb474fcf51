"""Everything the gateway holds while it runs, built when the app starts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import aiohttp

from shared.config import get_service_url
from shared.utils.logging import logger
from shared.web.runtime import Runtime
from webhook_gateway.documents.service import ApiDocument
from webhook_gateway.edge.access_log import AccessLog
from webhook_gateway.health.service import Overview
from webhook_gateway.identity.revoked import POLL_SECONDS, RevokedSessions
from webhook_gateway.identity.service import Authenticator
from webhook_gateway.ingest.endpoint import WebhookEndpoint
from webhook_gateway.ingest.guard import FailureGuard
from webhook_gateway.ingest.service import Ingestion
from webhook_gateway.limits.service import RateLimiter
from webhook_gateway.proxy.forward import Proxy
from webhook_gateway.routing.table import AUTH, RoutingTable
from webhook_gateway.settings import GatewaySettings
from webhook_gateway.sources.service import SourceDirectory, SourceService

_RETRY_SECONDS = 5.0


class GatewayParts:
    """Wired in `start`, taken down in `stop`; in between every attribute is set."""

    runtime: Runtime
    authenticator: Authenticator
    limiter: RateLimiter
    endpoint: WebhookEndpoint
    proxy: Proxy
    document: ApiDocument
    overview: Overview
    credential_guard: FailureGuard

    def __init__(
        self, settings: GatewaySettings, table: RoutingTable, own: Callable[[], dict[str, Any]]
    ) -> None:
        self.settings = settings
        self.table = table
        self.access_log = AccessLog(enabled=settings.log_level in ("debug", "info"))
        self._own = own
        self._revoked = RevokedSessions()
        self._session: aiohttp.ClientSession | None = None
        self._poller: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    async def start(self, runtime: Runtime) -> None:
        settings, clock = self.settings, runtime.clock
        urls = {name: get_service_url(name) for name in self.table.services()}
        self.runtime = runtime
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        self.proxy = Proxy(urls, settings)
        await self.proxy.open()
        self.overview = Overview(self._session, urls, self.table.services(), clock)
        self.document = ApiDocument(
            self._session, urls, self.table, self._own, public_url=settings.public_url, clock=clock
        )
        self.authenticator = Authenticator(
            runtime.verifier, runtime.http, get_service_url(AUTH), self._revoked, clock
        )
        self.limiter = RateLimiter(
            runtime.db, clock, limit=settings.rate_limit_requests, window=settings.rate_limit_window
        )
        self.credential_guard = FailureGuard(clock.monotonic)
        self._start_ingestion(runtime)
        await self._revoked.refresh(runtime)
        self._poller = asyncio.create_task(self._poll_revoked(), name="revoked sessions")

    def _start_ingestion(self, runtime: Runtime) -> None:
        settings = self.settings
        sources = SourceService(settings.jwt_secret.get_secret_value(), settings.public_url)
        runtime.extras["sources"] = sources
        directory = SourceDirectory(runtime.db, sources, runtime.clock)
        self.endpoint = WebhookEndpoint(
            Ingestion(runtime, directory, max_in_flight=settings.ingest_max_in_flight),
            FailureGuard(runtime.clock.monotonic),
            max_bytes=settings.max_webhook_bytes,
            patience=settings.client_patience,
            public_url=settings.public_url,
        )

    async def stop(self, _: Runtime) -> None:
        self._stopping.set()
        if self._poller is not None:
            await self._poller
        await self.proxy.close()
        if self._session is not None:
            await self._session.close()
        self.access_log.flush()

    async def _poll_revoked(self) -> None:
        wait = POLL_SECONDS
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)
            try:
                await self._revoked.refresh(self.runtime)
                wait = POLL_SECONDS
            except Exception as error:  # noqa: BLE001  # the list must go on being read when the database is back
                logger.warning("the deny list could not be read", error=error)
                wait = _RETRY_SECONDS
