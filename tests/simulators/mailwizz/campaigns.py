"""The part of MailWizz that sends campaigns: lists, subscribers, campaigns and their states."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Callable, Iterator
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
    unsubscribed: set[str] = field(default_factory=set)


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
    """`lose_answers`: of so many of the next creations the answer never arrives, though they are done.

    `twins`: with so many of them comes the same request again, of somebody who saw nothing there either.
    `kept`: addresses of subscribers that it refuses to let go.
    """

    lists: dict[str, MailingList] = field(default_factory=dict)
    sent: dict[str, Sent] = field(default_factory=dict)
    lose_answers: int = 0
    twins: int = 0
    kept: set[str] = field(default_factory=set)
    _made: Iterator[int] = field(default_factory=itertools.count)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/api/lists", self._all_lists)
        router.add_post("/api/lists", self._create_list)
        router.add_put("/api/lists/{uid}", self._rename_list)
        router.add_post("/api/lists/{uid}/copy", self._copy_list)
        router.add_post("/api/lists/{uid}/subscribers/bulk", self._subscribe)
        router.add_get("/api/lists/{uid}/subscribers/search-by-email", self._subscriber)
        router.add_put("/api/lists/{uid}/subscribers/{person}/unsubscribe", self._unsubscribe)
        router.add_delete("/api/lists/{uid}/subscribers/{person}", self._forget)
        router.add_delete("/api/lists/{uid}", self._delete_list)
        router.add_delete("/api/campaigns/{uid}", self._delete_campaign)
        router.add_get("/api/campaigns", self._all_campaigns)
        router.add_post("/api/campaigns", self._create_campaign)
        router.add_get("/api/campaigns/{uid}", self._campaign)
        router.add_put("/api/campaigns/{uid}/pause-unpause", self._pause)

    def mails(self, uid: str) -> dict[str, tuple[str, str]]:
        """Address to subject and HTML, with the tags filled in as MailWizz does."""
        sent = self.sent[uid]
        known = self.lists[sent.form["list_uid"]]
        return {
            email: (_filled(sent.form["subject"], person), _filled(sent.html, person))
            for email, person in known.subscribers.items()
            if email not in known.unsubscribed
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
        uid = f"li{next(self._made):011d}"
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

    async def _subscriber(self, request: web.Request) -> web.Response:
        known, email = self.lists.get(request.match_info["uid"]), request.query["EMAIL"]
        if known is None or email not in known.subscribers:
            return _unknown("subscriber")
        status = "unsubscribed" if email in known.unsubscribed else "confirmed"
        data = {"subscriber_uid": _uid_of(email), "status": status, "date_added": "2026-01-05 07:24:31"}
        return web.json_response({"status": "success", "data": data})

    async def _unsubscribe(self, request: web.Request) -> web.Response:
        return self._let_go(request, lambda known, email: known.unsubscribed.add(email))

    async def _forget(self, request: web.Request) -> web.Response:
        return self._let_go(request, lambda known, email: known.subscribers.pop(email))

    def _let_go(self, request: web.Request, change: Callable[[MailingList, str], object]) -> web.Response:
        known = self.lists.get(request.match_info["uid"], MailingList(""))
        people = (email for email in known.subscribers if _uid_of(email) == request.match_info["person"])
        if (email := next(people, None)) is None:
            return _unknown("subscriber")
        if email in self.kept:
            return _refusal(["subscriber"])
        change(known, email)
        return web.json_response({"status": "success"})

    async def _delete_list(self, request: web.Request) -> web.Response:
        if self.lists.pop(request.match_info["uid"], None) is None:
            return _unknown("list")
        return web.json_response({"status": "success"})

    async def _delete_campaign(self, request: web.Request) -> web.Response:
        if self.sent.pop(request.match_info["uid"], None) is None:
            return _unknown("campaign")
        return web.json_response({"status": "success"})

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
        uid = f"ca{next(self._made):011d}"
        sent = Sent(form, form.get("status", "draft"))
        if "[UNSUBSCRIBE_URL]" not in sent.html:
            return _refusal(["template"])
        self.sent[uid] = sent
        if self.twins:
            self.twins -= 1
            self.sent[f"{uid}b"] = Sent(dict(form), sent.status)
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
        if sent.status != "sent":
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


def _uid_of(email: str) -> str:
    return hashlib.sha256(email.encode()).hexdigest()[:13]


def _unknown(kind: str) -> web.Response:
    return web.json_response({"status": "error", "error": f"The {kind} does not exist."}, status=404)
