"""Serving a portal over HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from tests.simulators.netlife import shapes
from tests.simulators.netlife.faults import Faults, Kind
from tests.simulators.netlife.shapes import Shapes
from tests.simulators.netlife.world import Job, Portal, Subject

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Simulator:
    """A portal being served. Everything that was asked of it is counted."""

    portal: Portal
    shapes: Shapes = field(default_factory=Shapes)
    faults: Faults = field(default_factory=Faults)
    access_key_path: str = "accesskeys"
    latency: float = 0.0
    """Seconds before each answer, so that requests overlap as they would far away."""
    has_job_users: bool = True
    address: str = ""
    requests: list[str] = field(default_factory=list)
    """`GET /api/v1/…?…` of every request, in the order of arrival."""
    served: Counter[str] = field(default_factory=Counter)
    """Number of faults by kind."""
    in_flight: int = 0
    peak: int = 0

    @property
    def base_url(self) -> str:
        return f"{self.address}/api/v1"

    def count(self, part: str) -> int:
        """Requests whose line has `part` in it."""
        return sum(part in line for line in self.requests)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._watch])
        start = "/api/v1"
        app.router.add_get(f"{start}/activities/search", self._activities)
        app.router.add_get(f"{start}/jobs/{{job}}", self._job)
        app.router.add_get(f"{start}/jobs/{{job}}/subjects", self._subjects)
        app.router.add_get(f"{start}/jobs/{{job}}/users", self._job_users)
        app.router.add_get(f"{start}/jobs/{{job}}/subjects/{{subject}}/users", self._subject_users)
        app.router.add_get(
            f"{start}/jobs/{{job}}/subjects/{{subject}}/{self.access_key_path}", self._access_keys
        )
        app.router.add_get(f"{start}/users/{{user}}", self._user)
        return app

    @web.middleware
    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            return await self._answer(request, handler)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(self.latency)
        wanted = base64.b64encode(f"{self.portal.username}:{self.portal.password}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {wanted}":
            return web.json_response({"success": False, "error": "unauthorized"}, status=401)
        kind = self.faults.choose(request.path_qs)
        if kind is None:
            return await handler(request)
        self.served[kind] += 1
        return await self._misbehave(request, handler, kind)

    async def _misbehave(self, request: web.Request, handler: Handler, kind: Kind) -> web.StreamResponse:
        if kind == "429":
            return web.Response(status=429, headers={"Retry-After": self.faults.retry_after})
        if kind in ("404", "500", "503"):
            return web.Response(status=int(kind), text="the portal is unwell")
        if kind == "page":
            return web.Response(text="<html>Back soon</html>", content_type="text/html")
        if kind == "slow":
            await asyncio.sleep(self.faults.slow_seconds)
            return await handler(request)
        whole = await handler(request)
        body = whole.body if isinstance(whole, web.Response) and isinstance(whole.body, bytes) else b"{}"
        if kind == "truncated":
            return web.Response(body=body[: len(body) // 2], content_type="application/json")
        assert request.transport is not None
        request.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body[: len(body) // 2])
        )
        request.transport.close()
        return web.Response()

    def _page(
        self, request: web.Request, items: Sequence[T], row: Callable[[T], dict[str, Any]]
    ) -> web.Response:
        page = int(request.query.get("page", "1"))
        size = self.shapes.page_size
        part = [row(item) for item in items[(page - 1) * size : page * size]]
        following = None
        if page * size < len(items):
            query = urlencode({**request.query, "page": page + 1})
            following = self.shapes.next_address(self.address, request.path, query)
        body, link = self.shapes.wrap(request.path, part, following)
        headers = {"Link": f'<{link}>; rel="next"'} if link else {}
        return web.json_response(body, headers=headers)

    def _one(self, request: web.Request, row: dict[str, Any]) -> web.Response:
        return web.json_response(self.shapes.wrap_one(request.path, row))

    def _find_job(self, request: web.Request) -> Job:
        for job in self.portal.jobs:
            if job.uuid == request.match_info["job"]:
                return job
        raise web.HTTPNotFound(text=json.dumps({"success": False}), content_type="application/json")

    def _find_subject(self, request: web.Request) -> Subject:
        for subject in self._find_job(request).subjects:
            if subject.uuid == request.match_info["subject"]:
                return subject
        raise web.HTTPNotFound

    async def _activities(self, request: web.Request) -> web.Response:
        wanted = request.query.get("status_id")
        # By activity and not by job, as portals list them: the jobs come interleaved.
        depth = max((len(job.activities) for job in self.portal.jobs), default=0)
        listed = [
            (job, job.activities[n])
            for n in range(depth)
            for job in self.portal.jobs
            if n < len(job.activities) and wanted in (None, job.activities[n].status)
        ]
        return self._page(request, listed, lambda pair: shapes.activity_row(*pair))

    async def _job(self, request: web.Request) -> web.Response:
        return self._one(request, shapes.job_details(self._find_job(request)))

    async def _subjects(self, request: web.Request) -> web.Response:
        wanted = {"true": True, "false": False}.get(request.query.get("filter_has_order", ""))
        flags = {
            "images": request.query.get("include_images") == "true",
            "favorite": request.query.get("include_favorite_image") == "true",
        }
        found = [s for s in self._find_job(request).subjects if wanted in (None, s.is_buyer)]
        return self._page(request, found, lambda subject: shapes.subject_row(subject, **flags))

    async def _job_users(self, request: web.Request) -> web.Response:
        if not self.has_job_users:
            raise web.HTTPNotFound
        pairs = [(s, s.user) for s in self._find_job(request).subjects if s.user]
        return self._page(request, pairs, lambda pair: shapes.job_user_row(*pair))

    async def _subject_users(self, request: web.Request) -> web.Response:
        subject = self._find_subject(request)
        pairs = [(subject, subject.user)] if subject.user else []
        return self._page(request, pairs, lambda pair: shapes.job_user_row(*pair))

    async def _access_keys(self, request: web.Request) -> web.Response:
        return web.json_response(shapes.access_keys(self._find_subject(request)))

    async def _user(self, request: web.Request) -> web.Response:
        user = self.portal.users.get(request.match_info["user"])
        if user is None:
            raise web.HTTPNotFound
        return self._one(request, shapes.user_row(user))


@asynccontextmanager
async def running(simulator: Simulator, port: int = 0) -> AsyncIterator[Simulator]:
    """Serve it on 127.0.0.1; `simulator.base_url` is where clients find it."""
    runner = web.AppRunner(
        simulator.app(),
        access_log=None,
        shutdown_timeout=0.1,
        # Whoever gave up no longer counts as being served.
        handler_cancellation=True,
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, chosen = runner.addresses[0][:2]
    simulator.address = f"http://{host}:{chosen}"
    try:
        yield simulator
    finally:
        # Connections that clients have just made or ended: one that is accepted meanwhile would stay open.
        await asyncio.sleep(0.01)
        await runner.cleanup()
