"""A MailWizz for tests: records in pages, transactional mails, and campaigns with their lists."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.simulators.mailwizz.campaigns import Campaigns
from tests.simulators.serving import serving

KEY = "a" * 40


@dataclass
class MailWizz:
    """`lists`: records by campaign and stream, the newest last. `faults`: statuses of the next answers.

    `fault_at`: the request of this number from now on is done, and its answer lost (0: none).
    """

    lists: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    faults: list[int] = field(default_factory=list)
    fault_at: int = 0
    requests: list[str] = field(default_factory=list)
    mails: list[dict[str, str]] = field(default_factory=list)
    campaigns: Campaigns = field(default_factory=lambda: Campaigns())
    address: str = ""

    @property
    def url(self) -> str:
        return f"{self.address}/api"

    def add(self, campaign: str, stream: str, *records: dict[str, Any]) -> None:
        self.lists.setdefault((campaign, stream), []).extend(records)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        self.campaigns.add_routes(app.router)
        app.router.add_get("/api/campaigns/{uid}/{stream}", self._list)
        app.router.add_post("/api/transactional-emails", self._mail)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append(request.path_qs)
        if self.faults:
            return web.Response(status=self.faults.pop(0), text="<html>not now</html>")
        if request.headers.get("X-Api-Key") != KEY:
            return web.json_response({"status": "error", "error": "Invalid API key."}, status=401)
        answer: web.StreamResponse = await handler(request)
        self.fault_at = max(0, self.fault_at - 1) if self.fault_at != 1 else -1
        if self.fault_at < 0:
            self.fault_at = 0
            return web.Response(status=504, text="<html>too late</html>")
        return answer

    async def _list(self, request: web.Request) -> web.Response:
        uid, stream = request.match_info["uid"], request.match_info["stream"]
        if uid not in self.campaigns.sent and not any(known == uid for known, _ in self.lists):
            return web.json_response({"status": "error", "error": "The campaign does not exist."}, status=404)
        records = self.lists.get((uid, stream), [])
        number, size = int(request.query.get("page", "1")), int(request.query.get("per_page", "10"))
        pages = max(1, -(-len(records) // size))
        # Behind the last page it gives the last one again.
        number = min(number, pages)
        data = {
            "count": str(len(records)),
            "total_pages": pages,
            "current_page": number,
            "next_page": number + 1 if number < pages else None,
            "prev_page": number - 1 if number > 1 else None,
            "records": records[(number - 1) * size : number * size],
        }
        return web.json_response({"status": "success", "data": data})

    async def _mail(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        wanted = ("to_name", "to_email", "from_name", "subject", "body", "send_at")
        missing = [name for name in wanted if not form.get(f"email[{name}]")]
        if missing:
            return web.json_response(
                {"status": "error", "error": {name: ["missing"] for name in missing}}, status=422
            )
        mail = {name.removeprefix("email[").removesuffix("]"): value for name, value in form.items()}
        for name in ("body", "plain_text"):
            mail[name] = base64.b64decode(mail.get(name, "")).decode()
        self.mails.append(mail)
        return web.json_response({"status": "success", "email_uid": f"em{len(self.mails):011d}"}, status=201)


def person(email: str) -> dict[str, str]:
    """The subscriber part of a record."""
    return {"subscriber_uid": f"s{abs(hash(email)) % 10**10:010d}", "email": email}


def delivery(
    email: str, status: str = "success", *, confirmed: bool = True, message: str = "OK"
) -> dict[str, Any]:
    return {
        "subscriber": person(email),
        "message": message,
        "retries": "0",
        "max_retries": "3",
        "email_message_id": f"<{email}>",
        "delivery_confirmed": "yes" if confirmed else "no",
        "status": status,
        "date_added": "2026-01-05 07:24:31",
    }


def bounce(email: str, kind: str = "hard", message: str = "550 5.1.1 no such user") -> dict[str, Any]:
    return {"message": message, "processed": "yes", "bounce_type": kind, "subscriber": person(email)}


@asynccontextmanager
async def running(simulator: MailWizz) -> AsyncIterator[MailWizz]:
    async with serving(simulator.app()) as address:
        simulator.address = address
        yield simulator
