"""What is kept of a request for a short link: no address, no browser's name, only what is counted."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Request

from shared.utils import uuid7
from shared.web import Runtime

Verdict = Literal["human", "scanner"]
Device = Literal["desktop", "mobile", "tablet", "other"]

# Programs that say what they are: robots, link previews, mail security, monitoring, HTTP libraries.
_SCANNERS = re.compile(
    r"(?<!cu)bot\b|crawl|spider|scan(ner)?\b|preview|monitor|headless|phantomjs|urldefense|safelinks|proofpoint|"
    r"mimecast|barracuda|symantec|fireeye|trendmicro|bitdefender|sophos|fortinet|ironport|zscaler|forcepoint|"
    r"facebookexternalhit|whatsapp|skypeuripreview|slack-imgproxy|googleimageproxy|mastodon|"
    r"^(curl|wget|python|go-http-client|java|okhttp|ruby|http\.rb|perl|libwww|axios|node|httpie|"
    r"apache-httpclient|php)\b",
    re.IGNORECASE,
)
_TABLET = re.compile(r"ipad|tablet|kindle|silk/|android(?!.*mobile)", re.IGNORECASE)
_MOBILE = re.compile(r"mobi|iphone|ipod|android|windows phone", re.IGNORECASE)
_DESKTOP = re.compile(r"windows|macintosh|x11|linux|cros", re.IGNORECASE)
_HOST = re.compile(r"^[a-z0-9.:\[\]-]{1,253}$")
_AHEAD = ("prefetch", "preview", "prerender")


@dataclass(frozen=True, slots=True)
class Click:
    """One request for a link. Its `address` stays in memory until it is written: see `visitor_of`."""

    tenant_id: UUID
    link_id: UUID
    id: UUID
    at: datetime
    verdict: Verdict
    address: str
    referrer: str
    device: Device


def click_of(request: Request, runtime: Runtime, tenant_id: UUID, link_id: UUID) -> Click:
    agent = request.headers.get("user-agent", "")[:500]
    now = runtime.clock.now()
    return Click(
        tenant_id=tenant_id,
        link_id=link_id,
        id=uuid7(),
        at=now,
        verdict=judge(request.method, agent, request.headers.get("sec-purpose", "")),
        address=_client_ip(request),
        referrer=referrer_host(request.headers.get("referer", "")),
        device=device_of(agent),
    )


@lru_cache(maxsize=4096)
def judge(method: str, user_agent: str, purpose: str = "") -> Verdict:
    """A person, unless the request says otherwise. Loading ahead is no click either."""
    if method != "GET" or not user_agent or any(word in purpose.lower() for word in _AHEAD):
        return "scanner"
    return "scanner" if _SCANNERS.search(user_agent) else "human"


@lru_cache(maxsize=4096)
def device_of(user_agent: str) -> Device:
    if _TABLET.search(user_agent):
        return "tablet"
    if _MOBILE.search(user_agent):
        return "mobile"
    return "desktop" if _DESKTOP.search(user_agent) else "other"


@lru_cache(maxsize=1024)
def referrer_host(referrer: str) -> str:
    """The host of a Referer header; '' for none or a broken one. Paths may hold secrets and are not kept."""
    try:
        host = (urlsplit(referrer.strip()).hostname or "").lower()
    except ValueError:
        return ""
    return host if _HOST.match(host) else ""


def _client_ip(request: Request) -> str:
    """The address the gateway saw, which it appends to X-Forwarded-For."""
    forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return forwarded or (request.client.host if request.client else "")


def visitor_of(address: str, salt: bytes) -> str:
    """What stands for an address in the day of the salt; '' for none."""
    if not address:
        return ""
    return hashlib.blake2b(address.encode("utf-8", "replace"), key=salt, digest_size=8).hexdigest()
