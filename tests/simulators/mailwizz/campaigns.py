"""The part of MailWizz that sends campaigns: lists, subscribers, campaigns and their states."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

_FIELDS = ("EMAIL", "FNAME", "LNAME")
_TAG = re.compile(r"\[([A-Z][A-Z0-9_]*)\]")
_REQUIRED = ("name", "from_name", "from_email", "subject", "reply_to", "send_at", "list_uid")


@dataclass
class MailingList:
    name: str
    fields: tuple[str, ...] = _FIELDS
    subscribers: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass
class Sent:
    """A campaign; `status` is MailWizz's."""

    form: dict[str, str]
    status: str

    @property
    def html(self) -> str:
        return base64.b64decode(self.form["template][content"]).decode()


@dataclass
class Campaigns:
    """`lose_answers`: of so many of the next creations the answer never arrives, though they are done."""

    lists: dict[str, MailingList] = field(default_factory=dict)
    sent: dict[str, Sent] = field(default_factory=dict)
    lose_answers: int = 0

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/api/lists", self._all_lists)
        router.add_post("/api/lists", self._create_list)
        router.add_put("/api/lists/{uid}", self._rename_list)
        router.add_post("/api/lists/{uid}/copy", self._copy_list)
        router.add_post("/api/lists/{uid}/subscribers/bulk", self._subscribe)
        router.add_get("/api/campaigns", self._all_campaigns)
        router.add_post("/api/campaigns", self._create_campaign)
        router.add_get("/api/campaigns/{uid}", self._campaign)
        router.add_put("/api/campaigns/{uid}/pause-unpause", self._pause)

    def mails(self, uid: str) -> dict[str, tuple[str, str]]:
        """Address to subject and HTML, with the tags filled in as MailWizz does."""
        sent = self.sent[uid]
        people = self.lists[sent.form["list_uid"]].subscribers
        return {
            email: (_filled(sent.form["subject"], person), _filled(sent.html, person))
            for email, person in people.items()
        }

    async def _all_lists(self, request: web.Request) -> web.Response:
        return _page(request, [{"general": {"list_uid": u, "name": x.name}} for u, x in self.lists.items()])

    async def _create_list(self, request: web.Request) -> web.Response:
        form = await _form(request)
        wanted = ("general[name]", "general[description]", "defaults[from_name]", "defaults[from_email]")
        if missing := [name for name in (*wanted, "defaults[reply_to]") if not form.get(name)]:
            return _refusal(missing)
        return self._made_list(MailingList(form["general[name]"]))

    async def _copy_list(self, request: web.Request) -> web.Response:
        if (known := self.lists.get(request.match_info["uid"])) is None:
            return _unknown("list")
        return self._made_list(MailingList(f"{known.name} #1", known.fields))

    def _made_list(self, new: MailingList) -> web.Response:
        uid = f"li{len(self.lists):011d}"
        self.lists[uid] = new
        return web.json_response({"status": "success", "list_uid": uid}, status=201)

    async def _rename_list(self, request: web.Request) -> web.Response:
        if (known := self.lists.get(request.match_info["uid"])) is None:
            return _unknown("list")
        known.name = (await _form(request))["general[name]"]
        return web.json_response({"status": "success"})

    async def _subscribe(self, request: web.Request) -> web.Response:
        if (known := self.lists.get(request.match_info["uid"])) is None:
            return _unknown("list")
        people: dict[str, dict[str, str]] = {}
        for name, value in (await _form(request)).items():
            number, _, tag = name.removeprefix("subscribers[").partition("][")
            people.setdefault(number, {})[tag.removesuffix("]")] = value
        for person in people.values():
            # A field that the list does not have is not kept.
            kept = {tag: value for tag, value in person.items() if tag in known.fields}
            known.subscribers.setdefault(person["EMAIL"].lower(), kept)
        return web.json_response({"status": "success", "data": {"records": []}}, status=201)

    async def _all_campaigns(self, request: web.Request) -> web.Response:
        records = [
            {"campaign_uid": uid, "name": sent.form["name"], "type": "regular", "status": sent.status}
            for uid, sent in self.sent.items()
        ]
        return _page(request, records)

    async def _create_campaign(self, request: web.Request) -> web.Response:
        form = {
            name.removeprefix("campaign[").removesuffix("]"): value
            for name, value in (await _form(request)).items()
        }
        if missing := [name for name in _REQUIRED if not form.get(name)]:
            return _refusal(missing)
        uid = f"ca{len(self.sent):011d}"
        sent = Sent(form, form.get("status", "draft"))
        if "[UNSUBSCRIBE_URL]" not in sent.html:
            return _refusal(["template"])
        self.sent[uid] = sent
        if self.lose_answers:
            self.lose_answers -= 1
            return web.Response(status=504, text="<html>too late</html>")
        return web.json_response({"status": "success", "campaign_uid": uid}, status=201)

    async def _campaign(self, request: web.Request) -> web.Response:
        uid = request.match_info["uid"]
        if (sent := self.sent.get(uid)) is None:
            return _unknown("campaign")
        record = {"campaign_uid": uid, "name": sent.form["name"], "status": sent.status}
        return web.json_response({"status": "success", "data": {"record": record}})

    async def _pause(self, request: web.Request) -> web.Response:
        if (sent := self.sent.get(request.match_info["uid"])) is None:
            return _unknown("campaign")
        sent.status = "sending" if sent.status == "paused" else "paused"
        return web.json_response({"status": "success", "campaign": {"status": sent.status}})


async def _form(request: web.Request) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.post()).items()}


def _filled(text: str, person: dict[str, str]) -> str:
    values = {**person, "UNSUBSCRIBE_URL": "https://wizz.example.com/lists/unsubscribe"}
    return _TAG.sub(lambda match: values.get(match.group(1), ""), text)


def _page(request: web.Request, records: list[dict[str, Any]]) -> web.Response:
    number, size = int(request.query.get("page", "1")), int(request.query.get("per_page", "10"))
    data = {
        "count": str(len(records)),
        "total_pages": max(1, -(-len(records) // size)),
        "current_page": number,
        "records": records[(number - 1) * size : number * size],
    }
    return web.json_response({"status": "success", "data": data})


def _refusal(fields: list[str]) -> web.Response:
    return web.json_response({"status": "error", "error": {name: ["missing"] for name in fields}}, status=422)


def _unknown(kind: str) -> web.Response:
    return web.json_response({"status": "error", "error": f"The {kind} does not exist."}, status=404)
