"""The Messages resource over HTTP: Basic auth, a form in, JSON out."""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from tests.simulators.twilio.webhooks import SID

AUTH_TOKEN = "an invented token of the tests"
Fault = Literal["hang", "drop", "429", "500", "503", "garbage"]


@dataclass(frozen=True)
class Text:
    """A message that was taken."""

    sid: str
    to: str
    sender: str
    body: str
    callback: str | None


@dataclass
class TwilioSimulator:
    """`refusals`: error code by number; `faults`: what happens to the next requests, one each."""

    refusals: dict[str, int] = field(default_factory=dict)
    faults: list[Fault | None] = field(default_factory=list)
    token: str = AUTH_TOKEN
    latency: float = 0.0
    address: str = ""
    texts: list[Text] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    in_flight: int = 0
    peak: int = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/2010-04-01/Accounts/{sid}/Messages.json", self._messages)
        return app

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.requests.append(form)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await asyncio.sleep(self.latency)
            return await self._answer(request, form)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request, form: dict[str, str]) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Basic ")
        wanted = base64.b64encode(f"{SID}:{self.token}".encode()).decode()
        if request.match_info["sid"] != SID or not hmac.compare_digest(given, wanted):
            return _error(401, 20003, "Authenticate")
        fault = self.faults.pop(0) if self.faults else None
        if fault in ("429", "503"):
            return _error(int(fault), 20429, "Too Many Requests")
        if fault == "500":
            return _error(500, 20500, "Internal Server Error")
        if not form.get("Body"):
            return _error(400, 21602, "Message body is required.")
        if code := self.refusals.get(form["To"]):
            return _error(400, code, f"refused with {code}")
        text = self._take(form)
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault == "drop":
            assert request.transport is not None
            request.transport.close()
        if fault == "garbage":
            return web.Response(status=200, text="<html>", content_type="text/html")
        return web.json_response(_resource(text), status=201)

    def _take(self, form: dict[str, str]) -> Text:
        sid = f"SM{len(self.texts) + 1:032x}"
        sender = form.get("From") or form["MessagingServiceSid"]
        text = Text(sid, form["To"], sender, form["Body"], form.get("StatusCallback"))
        self.texts.append(text)
        return text

    def bodies(self, to: str) -> list[str]:
        return [text.body for text in self.texts if text.to == to]


def _resource(text: Text) -> dict[str, Any]:
    return {
        "sid": text.sid,
        "account_sid": SID,
        "messaging_service_sid": text.sender if text.sender.startswith("MG") else None,
        "to": text.to,
        "from": None if text.sender.startswith("MG") else text.sender,
        "body": text.body,
        "status": "queued",
        "num_segments": "1",
        "num_media": "0",
        "direction": "outbound-api",
        "price": None,
        "price_unit": "USD",
        "error_code": None,
        "error_message": None,
        "api_version": "2010-04-01",
    }


def _error(status: int, code: int, message: str) -> web.Response:
    body = {"code": code, "message": message, "more_info": f"https://example.test/{code}", "status": status}
    return web.json_response(body, status=status)


@asynccontextmanager
async def running(simulator: TwilioSimulator, port: int = 0) -> AsyncIterator[TwilioSimulator]:
    """Serve it until the end of the block, on `port` of 127.0.0.1 or a free one."""
    runner = web.AppRunner(simulator.app(), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, port = runner.addresses[0][:2]
    simulator.address = f"http://{host}:{port}"
    try:
        yield simulator
    finally:
        await runner.cleanup()
