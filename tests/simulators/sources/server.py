"""Pages of contacts over HTTP, as a scraper, a link builder and any other program offer them.

The cursor is the sequence number of the last record that was handed out; changed records get a new one.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

Style = Literal["scraper-pro", "backlink-engine", "api"]
_PATHS: dict[Style, str] = {
    "scraper-pro": "/api/v1/contacts",
    "backlink-engine": "/api/prospects",
    "api": "/export/people",
}
_OLDEST_SECONDS = 300


@dataclass(frozen=True)
class Fault:
    """What the request with this number (from 1) gets instead of its page, `times` requests long."""

    at: int
    kind: Literal["429", "500", "503", "401", "302", "html", "no-list", "cut", "hang"]
    times: int = 1
    retry_after: str = ""


def people(count: int, start: int = 1) -> list[dict[str, Any]]:
    """Invented contacts."""
    return [
        {"id": n, "email": f"person{n}@example.com", "first_name": f"P{n}", "company": f"Company {n % 7}"}
        for n in range(start, start + count)
    ]


@dataclass
class SourceServer:
    """One server. `requests` are the paths with their queries, in the order of arrival."""

    style: Style = "scraper-pro"
    records: list[Any] = field(default_factory=list)
    secret: str = "a shared secret of the tests"
    faults: tuple[Fault, ...] = ()
    names_last_cursor: bool = True
    """Whether the last page names a cursor too, or null as simpler servers do."""
    circles: bool = False
    before_page: Callable[[int], None] = lambda number: None
    address: str = ""
    requests: list[str] = field(default_factory=list)
    refused: int = 0
    pages: int = 0

    @property
    def cursors(self) -> list[str]:
        """The cursors asked for; empty text where none was given."""
        return [web_query(line).get("cursor", web_query(line).get("after", "")) for line in self.requests]

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get(_PATHS[self.style], self._page)
        return app

    def _fault(self) -> Fault | None:
        number = len(self.requests)
        return next((f for f in self.faults if f.at <= number < f.at + f.times), None)

    def _is_allowed(self, request: web.Request) -> bool:
        if self.style == "api":
            return request.headers.get("Authorization") == f"Bearer {self.secret}"
        stamp = request.headers.get("X-Timestamp", "")
        if not stamp.isdecimal() or abs(time.time() - int(stamp)) > _OLDEST_SECONDS:
            return False
        signed = f"{stamp}.{request.raw_path}".encode()
        wanted = hmac.new(self.secret.encode(), signed, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted, request.headers.get("X-Signature", ""))

    async def _page(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.raw_path)
        if not self._is_allowed(request):
            self.refused += 1
            return web.json_response({"error": "signature"}, status=401)
        if fault := self._fault():
            return await self._misbehave(fault)
        self.pages += 1
        self.before_page(self.pages)
        return web.json_response(self._body(request))

    def _body(self, request: web.Request) -> dict[str, Any]:
        after = int(request.query.get("after" if self.style == "api" else "cursor", "0"))
        size = int(request.query.get("per_page" if self.style == "api" else "limit", "100"))
        part = self.records[after : after + size]
        end = after + len(part)
        more = end < len(self.records)
        cursor = str(end) if part and (more or self.names_last_cursor) else None
        if self.circles:
            cursor, more = ("1" if after != 1 else "2"), True
        if self.style == "scraper-pro":
            return {"contacts": part, "next_cursor": cursor, "has_more": more}
        if self.style == "backlink-engine":
            return {"data": part, "meta": {"next_cursor": cursor}}
        return {"result": {"rows": part, "next": cursor if more else None}}

    async def _misbehave(self, fault: Fault) -> web.StreamResponse:
        if fault.kind.isdecimal():
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            if fault.kind == "302":
                headers["Location"] = self.address + "/elsewhere"
            return web.Response(status=int(fault.kind), headers=headers, text="unwell")
        if fault.kind == "html":
            return web.Response(text="<html>Back soon</html>", content_type="text/html")
        if fault.kind == "no-list":
            return web.json_response({"contacts": {"a": 1}})
        if fault.kind == "cut":
            return web.Response(text='{"contacts": [{"email": "cut@exam', content_type="application/json")
        await asyncio.sleep(60)
        return web.Response()


def web_query(path: str) -> dict[str, str]:
    """The query of a path."""
    return dict(parse_qsl(urlsplit(path).query))


@asynccontextmanager
async def running(server: SourceServer) -> AsyncIterator[SourceServer]:
    """The server, listening on a free port of this machine."""
    runner = web.AppRunner(server.app(), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()
