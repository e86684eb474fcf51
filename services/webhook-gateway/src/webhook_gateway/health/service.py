"""Asks every service how it is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from shared.utils.clock import Clock

_TIMEOUT = aiohttp.ClientTimeout(total=2)
_FRESH_SECONDS = 2.0


class Overview:
    """State of all services, asked at most every two seconds: this path is open to everybody."""

    def __init__(
        self, session: aiohttp.ClientSession, urls: Mapping[str, str], services: Sequence[str], clock: Clock
    ) -> None:
        self._session = session
        self._urls = urls
        self._services = services
        self._clock = clock
        self._lock = asyncio.Lock()
        self._known: dict[str, str] = {}
        self._fresh_until = float("-inf")

    async def services(self) -> dict[str, str]:
        """Service to `healthy`, `not ready` or `unreachable`."""
        async with self._lock:
            if self._clock.monotonic() >= self._fresh_until:
                states = await asyncio.gather(*(self._ask(name) for name in self._services))
                self._known = dict(zip(self._services, states, strict=True))
                self._fresh_until = self._clock.monotonic() + _FRESH_SECONDS
        return self._known

    async def report(self, *, database: bool) -> dict[str, Any]:
        """The data of /health: `degraded` tells that some part does not answer; the gateway itself lives."""
        services = await self.services()
        whole = database and all(state == "healthy" for state in services.values())
        return {
            "service": "webhook-gateway",
            "status": "healthy" if whole else "degraded",
            "checks": {"database": database},
            "services": services,
        }

    async def _ask(self, service: str) -> str:
        try:
            async with self._session.get(
                f"{self._urls[service]}/ready", timeout=_TIMEOUT, allow_redirects=False
            ) as answer:
                return "healthy" if answer.status == 200 else "not ready"
        except (aiohttp.ClientError, TimeoutError):
            return "unreachable"
