"""Reading the shapes that portals answer in.

Rows come as `{"success", "data", "meta": {"next"}}`, as `{"results", "next"}`, as a bare list (with the next
page in a Link header), or as one object, which is one row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from yarl import URL

from campaign_service.netlife.errors import PortalContractError

Row = dict[str, Any]
_LINK = re.compile(r'<([^>]+)>\s*;[^,]*\brel="?next"?')
_IMAGE_KEY_LENGTH = 20


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as they came, and where the next ones are."""

    rows: list[Any]
    next_address: str | None


def read_page(answer: Any, link_header: str = "") -> Page:
    """Raises PortalContractError for an answer that says of itself that it failed."""
    link = _LINK.search(link_header)
    following = link[1] if link else None
    if answer is None:
        return Page([], None)
    if isinstance(answer, list):
        return Page(answer, following)
    if not isinstance(answer, dict):
        raise PortalContractError(f"the portal answered with {type(answer).__name__}, not with rows")
    if answer.get("success") is False:
        raise PortalContractError("the portal answered with success: false")
    for key in ("data", "results"):
        if key in answer:
            inner = read_page(answer[key])
            return Page(inner.rows, inner.next_address or _next_of(answer) or following)
    return Page([answer], following)


def _next_of(answer: Row) -> str | None:
    meta = answer.get("meta")
    for holder in (meta if isinstance(meta, dict) else {}, answer):
        for key in ("next", "next_url"):
            if holder.get(key):
                return str(holder[key])
    return None


def rows_of(values: Iterable[Any]) -> list[Row]:
    """The objects among the rows."""
    return [value for value in values if isinstance(value, dict)]


def first_row(answer: Any) -> Row:
    """The one thing a portal answered with, out of its envelope; empty when there is none."""
    rows = rows_of(read_page(answer).rows)
    return rows[0] if rows else {}


def resolve_next(address: str, base: URL, current: URL) -> URL:
    """The next page's address: absolute, from the origin (`/api…`), from the base (`/…`) or from `current`.

    Raises PortalContractError for another host, which must never see the credentials. A portal behind a
    proxy may name itself with http://; it is still asked over the scheme of its base.
    """
    if address.startswith("//"):
        raise PortalContractError("the next page is said to be on another host")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", address):
        absolute = URL(address, encoded=True)
        if absolute.host != base.host or absolute.scheme not in ("http", "https"):
            raise PortalContractError("the next page is said to be on another host")
        return base.origin().join(URL(absolute.raw_path_qs, encoded=True))
    if address.startswith("/"):
        is_whole = address == "/api" or address.startswith(("/api/", "/api?"))
        path = address if is_whole else base.raw_path.rstrip("/") + address
        return base.origin().join(URL(path, encoded=True))
    return current.join(URL(address, encoded=True))


def text_of(row: Row, *keys: str) -> str:
    """The first of these fields that holds text or a number, stripped; empty when none does."""
    for key in keys:
        value = row.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return ""


def id_of(value: Any) -> str:
    """A reference as text: the id itself or an object with a uuid."""
    if isinstance(value, dict):
        return text_of(value, "uuid", "id")
    return value.strip() if isinstance(value, str) else ""


def image_ids(value: Any) -> list[str]:
    """Ids in any of the shapes pictures come in: an id, an object, a list of these, or objects by id."""
    if isinstance(value, list):
        return [image for item in value for image in image_ids(item)]
    if isinstance(value, dict):
        if own := text_of(value, "uuid"):
            return [own]
        keyed = [key for key in value if len(key) >= _IMAGE_KEY_LENGTH]
        nested = [i for key in ("data", "results", "images") if key in value for i in image_ids(value[key])]
        return keyed + nested
    return [value.strip()] if isinstance(value, str) and value.strip() else []
