"""A server that takes signed mails as JSON, for tests."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.simulators.serving import serving


@dataclass
class Messenger:
    """`statuses`: by recipient, what is answered; the others are taken."""

    secret: str = "a shared secret"
    statuses: dict[str, int] = field(default_factory=dict)
    taken: list[dict[str, Any]] = field(default_factory=list)
    address: str = ""

    @property
    def url(self) -> str:
        return f"{self.address}/in"

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/in", self._take)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        signed = request.headers["X-Timestamp"].encode() + b"." + body
        expected = "sha256=" + hmac.new(self.secret.encode(), signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, request.headers["X-Signature"]):
            return web.Response(status=401, text="bad signature")
        message = json.loads(body)
        status = self.statuses.get(message["to"], 202)
        if status // 100 == 2:
            self.taken.append(message)
        return web.json_response({"ok": status // 100 == 2}, status=status)


@asynccontextmanager
async def running(simulator: Messenger) -> AsyncIterator[Messenger]:
    async with serving(simulator.app()) as address:
        simulator.address = address
        yield simulator
