"""PowerMTA's submission over HTTP for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.simulators.serving import serving

KEY = "k" * 32


@dataclass
class PowerMta:
    """`refused`: recipients that are not taken. `faults`: statuses of the next answers; 0 breaks off after
    taking, 1 before."""

    refused: set[str] = field(default_factory=set)
    faults: list[int] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    address: str = ""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/v1/transmissions", self._take)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.json()
        fault = self.faults.pop(0) if self.faults else None
        if request.headers.get("Authorization") != KEY:
            return _error(403, "Forbidden")
        if fault is not None and fault >= 100:
            return _error(fault, "Not now")
        (recipient,) = body["recipients"]
        is_taken = recipient["address"]["email"] not in self.refused
        if is_taken:
            self.taken.append(body)
        if fault == 0 and request.transport is not None:
            request.transport.abort()
        results = {"total_accepted_recipients": int(is_taken), "total_rejected_recipients": int(not is_taken)}
        return web.json_response({"results": results})


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"errors": [{"message": message, "description": message}]}, status=status)


@asynccontextmanager
async def running(simulator: PowerMta) -> AsyncIterator[PowerMta]:
    async with serving(simulator.app()) as address:
        simulator.address = address
        yield simulator
