"""A mirror of geo-dvf for tests: files by year and commune, conditional requests, faults on demand."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

Fault = Literal["429", "503", "500", "403", "slow", "cut", "page"]


@dataclass
class Mirror:
    """A mirror being served. `files` are by (year, commune); what is asked and answered is noted."""

    files: dict[tuple[int, str], bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    """What goes wrong with the next requests, one each."""
    retry_after: str = "0"
    slow_seconds: float = 5.0
    has_etags: bool = True
    address: str = ""
    requests: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    in_flight: int = 0
    peak: int = 0

    @property
    def base_url(self) -> str:
        return f"{self.address}/geo-dvf/latest/csv"

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/geo-dvf/latest/csv/{year}/communes/{department}/{code}.csv", self._file)
        return app

    async def _file(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.path)
        self.agents.add(request.headers.get("User-Agent", ""))
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            answer = await self._answer(request)
        finally:
            self.in_flight -= 1
        self.statuses.append(answer.status)
        return answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.pop(0) if self.faults else None
        if fault == "slow":
            await asyncio.sleep(self.slow_seconds)
        elif fault == "cut":
            return await self._cut(request)
        elif fault == "page":
            return web.Response(text="<html>Back soon</html>", content_type="text/html")
        elif fault is not None:
            return web.Response(status=int(fault), headers={"Retry-After": self.retry_after})
        data = self._data(request)
        if data is None:
            return web.Response(status=404)
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        headers = {"ETag": tag} if self.has_etags else {"Last-Modified": "Wed, 01 Apr 2026 08:00:00 GMT"}
        asked = request.headers.get("If-None-Match") or request.headers.get("If-Modified-Since")
        if asked in headers.values():
            return web.Response(status=304, headers=headers)
        return web.Response(body=data, content_type="text/csv", headers=headers)

    def _data(self, request: web.Request) -> bytes | None:
        code = request.match_info["code"]
        # A mirror has no file below another department.
        if not code.startswith(request.match_info["department"]):
            return None
        return self.files.get((int(request.match_info["year"]), code))

    async def _cut(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nid_mutation,")
        request.transport.close()
        return web.Response()


@asynccontextmanager
async def running(files: Iterable[tuple[int, str, bytes]] = ()) -> AsyncIterator[Mirror]:
    """Serve files of (year, commune, content) on a free port of this machine."""
    mirror = Mirror({(year, code): data for year, code, data in files})
    runner = web.AppRunner(mirror.app(), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server = site._server
        assert isinstance(server, asyncio.Server)
        mirror.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield mirror
    finally:
        await runner.cleanup()
