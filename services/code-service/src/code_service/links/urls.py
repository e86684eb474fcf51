"""Where a short link leads."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from urllib.parse import quote, unquote_plus, urlsplit, urlunsplit

from pydantic import HttpUrl, TypeAdapter

MAX_URL = 2048
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_SHORT_LENGTH = 7
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_URL = TypeAdapter(HttpUrl)


def new_short_id() -> str:
    """Seven letters and digits without look-alikes: 58^7 of them."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_SHORT_LENGTH))


def clean_url(text: str) -> str:
    """An http or https address in ASCII; ValueError for any other, and for one that hides its host."""
    url = text.strip()
    if _UNSAFE.search(url) or len(url) > MAX_URL:
        raise ValueError(
            "an address has no spaces, backslashes or control characters, and at most 2,048 others"
        )
    parsed = _URL.validate_python(url)
    if parsed.username is not None or parsed.password is not None:
        raise ValueError("an address must not hold a user name or password")
    return str(parsed)


def merge_utm(url: str, utm: Mapping[str, str]) -> str:
    """The address with these parameters in its query: replaced where they are there, added where not.

    All else, the fragment too, stays as it is written.
    """
    parts = urlsplit(url)
    kept = [piece for piece in parts.query.split("&") if piece and _name(piece) not in utm]
    added = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in utm.items()]
    return urlunsplit(parts._replace(query="&".join(kept + added)))


def _name(piece: str) -> str:
    return unquote_plus(piece.split("=", 1)[0])
