"""The caught mails over HTTP: a small API for programs and a page for people."""

from __future__ import annotations

import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesHeaderParser, BytesParser
from html import escape
from itertools import islice

from aiohttp import web

from deploy.local.mailcatcher.store import Entry, MailStore

STORE = web.AppKey("store", MailStore)
# Mails are other people's HTML: no scripts, no forms, no outside requests (a pixel would count as an open).
_POLICY = "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def make_app(store: MailStore) -> web.Application:
    """GET /messages, GET and DELETE of mails, GET /count, GET /health, and the page at /."""
    app = web.Application()
    app[STORE] = store
    app.add_routes(
        [
            web.get("/", page),
            web.get("/health", health),
            web.get("/count", count),
            web.get("/messages", messages),
            web.delete("/messages", clear),
            web.get(r"/messages/{id:\d{1,18}}", raw),
            web.get(r"/messages/{id:\d{1,18}}/view", view),
        ]
    )
    return app


async def health(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def count(request: web.Request) -> web.Response:
    """Number of mails, with `to` those for one address."""
    return web.json_response({"count": request.app[STORE].count(_recipient(request))})


async def messages(request: web.Request) -> web.Response:
    """Newest first; with `after=<id>` the later ones, oldest first. `limit` is 50 unless given."""
    store = request.app[STORE]
    limit, after = _number(request, "limit", 50), _number(request, "after", -1)
    to = _recipient(request)
    found = store.newest(to) if after < 0 else store.after(after, to)
    listed = [_summary(store, entry) for entry in islice(found, limit)]
    return web.json_response({"messages": listed, "count": store.count(to)})


async def raw(request: web.Request) -> web.Response:
    """The mail itself, byte for byte."""
    store, entry = _entry(request)
    return web.Response(body=store.content(entry), content_type="message/rfc822")


async def clear(request: web.Request) -> web.Response:
    request.app[STORE].clear()
    return web.Response(status=204)


async def view(request: web.Request) -> web.Response:
    """The mail's HTML part (or its text), shut into a sandbox."""
    store, entry = _entry(request)
    mail = BytesParser(EmailMessage, policy=email.policy.default).parsebytes(store.content(entry))
    part = mail.get_body(("html", "plain"))
    text = str(part.get_content()) if part else ""
    if part is None or part.get_content_type() != "text/html":
        text = f"<pre>{escape(text)}</pre>"
    return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": _POLICY})


async def page(request: web.Request) -> web.Response:
    store, to = request.app[STORE], _recipient(request)
    rows = "".join(_row(_summary(store, entry)) for entry in islice(store.newest(to), 100))
    text = _PAGE.format(count=store.count(to), to=escape(to or "", quote=True), rows=rows)
    return web.Response(text=text, content_type="text/html")


def _recipient(request: web.Request) -> str | None:
    return request.query.get("to") or None


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if text and not text.isdecimal():
        raise web.HTTPBadRequest(text=f"{name} must be a whole number")
    return int(text) if text else default


def _entry(request: web.Request) -> tuple[MailStore, Entry]:
    store = request.app[STORE]
    entry = store.get(int(request.match_info["id"]))
    if entry is None:
        raise web.HTTPNotFound(text="no such message")
    return store, entry


def _summary(store: MailStore, entry: Entry) -> dict[str, object]:
    headers = BytesHeaderParser(policy=email.policy.default).parsebytes(store.content(entry))
    return {
        "id": entry.id,
        "from": entry.sender,
        "to": list(entry.recipients),
        "subject": str(headers.get("Subject", "")),
        "message_id": str(headers.get("Message-ID", "")),
        "job": str(headers.get("X-Job", "")),
        "received_at": datetime.fromtimestamp(entry.received_at, UTC).isoformat(),
        "size": entry.size,
    }


def _row(mail: dict[str, object]) -> str:
    to = ", ".join(map(str, mail["to"])) if isinstance(mail["to"], list) else ""
    cells = (mail["received_at"], mail["from"], to, mail["subject"])
    shown = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
    links = f'<a href="/messages/{mail["id"]}/view">view</a> <a href="/messages/{mail["id"]}">raw</a>'
    return f"<tr>{shown}<td>{links}</td></tr>"


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Caught mails</title>
<style>body{{font:14px system-ui;margin:2rem}}table{{border-collapse:collapse;width:100%}}
td,th{{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd}}</style>
<h1>{count} caught mails</h1>
<form><label>Recipient <input name="to" type="email" value="{to}"></label> <button>Filter</button></form>
<table><thead><tr><th>Received<th>From<th>To<th>Subject<th></thead><tbody>{rows}</tbody></table></html>
"""
