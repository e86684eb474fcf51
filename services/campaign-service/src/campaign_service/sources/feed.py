"""What is asked of a source's server, and what its answers mean."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from campaign_service.sources.schemas import ApiSettings, RemoteSettings

_LONGEST_CURSOR = 2000


class BrokenAnswerError(ValueError):
    """The answer is not a page of contacts."""


@dataclass(frozen=True, slots=True)
class Feed:
    """How one kind of server is asked. `items`, `next_cursor`: where these are, dots between the steps.

    `mapping` is as in the settings, whose own goes before it.
    """

    path: str
    items: str
    next_cursor: str
    cursor_parameter: str = "cursor"
    limit_parameter: str = "limit"
    mapping: Mapping[str, str | None] = field(default_factory=dict)


#: What changes at every visit says nothing about the contact.
_BOOKKEEPING: dict[str, str | None] = dict.fromkeys(
    ("id", "uuid", "created_at", "updated_at", "scraped_at", "last_seen_at")
)
_FEEDS = {
    "scraper-pro": Feed("/api/v1/contacts", "contacts", "next_cursor", mapping=_BOOKKEEPING),
    "backlink-engine": Feed(
        "/api/prospects",
        "data",
        "meta.next_cursor",
        mapping=_BOOKKEEPING
        | {"contact_email": "email", "contact_name": "full_name", "url": "custom.website"},
    ),
}


def feed_of(kind: str, settings: RemoteSettings) -> Feed:
    """The feed of a source of this type, its own mapping in it."""
    if isinstance(settings, ApiSettings):
        return Feed(
            "",
            settings.items,
            settings.next_cursor,
            settings.cursor_parameter,
            settings.limit_parameter,
            settings.mapping,
        )
    known = _FEEDS[kind]
    taken = {target for target in settings.mapping.values() if target}
    presets = {name: target for name, target in known.mapping.items() if target not in taken}
    return Feed(known.path, known.items, known.next_cursor, mapping=presets | settings.mapping)


@dataclass(frozen=True, slots=True)
class Page:
    """`cursor` begins the next page; None when the server named none. `has_more`: whether there is one."""

    items: list[Any]
    cursor: str | None
    has_more: bool


def read_page(feed: Feed, answer: Any) -> Page:
    """Raises BrokenAnswerError."""
    items = answer if isinstance(answer, list) else _find(answer, feed.items)
    if not isinstance(items, list):
        raise BrokenAnswerError(f"the answer has no list at {feed.items}")
    cursor = _find(answer, feed.next_cursor)
    if cursor is not None and (isinstance(cursor, bool) or not isinstance(cursor, str | int)):
        raise BrokenAnswerError(f"{feed.next_cursor} is neither text nor a number")
    text = str(cursor) if cursor not in (None, "") else None
    if text and (len(text) > _LONGEST_CURSOR or not text.isprintable()):
        raise BrokenAnswerError(f"{feed.next_cursor} is not usable")
    parent = feed.next_cursor.rpartition(".")[0]
    more = _find(answer, f"{parent}.has_more" if parent else "has_more")
    return Page(items, text, more is not False and text is not None)


def _find(answer: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(answer, dict):
            return None
        answer = answer.get(step)
    return answer


def signature_headers(secret: str, signed: str, now: int) -> dict[str, str]:
    """HMAC-SHA256 of `<timestamp>.<what is signed>`: of a GET that is its path with the query."""
    stamp = str(now)
    digest = hmac.new(secret.encode(), f"{stamp}.{signed}".encode(), hashlib.sha256).hexdigest()
    return {"X-Timestamp": stamp, "X-Signature": digest}


def auth_headers(settings: RemoteSettings, secret: str, signed: str, now: int) -> dict[str, str]:
    """What shows the server who asks."""
    if not isinstance(settings, ApiSettings) or settings.auth == "signature":
        return signature_headers(secret, signed, now)
    if settings.auth == "bearer":
        return {"Authorization": f"Bearer {secret}"}
    return {settings.header: secret} if settings.auth == "header" else {}
