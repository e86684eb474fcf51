"""Which of a template's contents a person gets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

_NOT_SLUG = re.compile(r"[^a-z0-9]+")


def content_key(language: str, category: str | None = None) -> str:
    """`fr`, or `fr/photo-shops` for the content in French for contacts of this category."""
    plain = unicodedata.normalize("NFKD", category or "").encode("ascii", "ignore").decode("ascii")
    slug = _NOT_SLUG.sub("-", plain.lower()).strip("-")
    return f"{language}/{slug}" if slug else language


def choose_content(
    available: Iterable[str], language: str | None, category: str | None, default_language: str
) -> str:
    """The key for a person: their language and category, their language, the default language and their
    category, the default language; at last, the first there is. `fr-CA` may be served by `fr`."""
    keys = sorted(available, key=lambda key: ("/" in key, key))
    found = set(keys)
    for wanted in _wishes(language or "", category, default_language):
        if wanted in found:
            return wanted
    return keys[0]


def _wishes(language: str, category: str | None, default_language: str) -> Iterator[str]:
    languages = [language, language.partition("-")[0]]
    for names in (languages, [default_language]):
        if category:
            yield from (content_key(name, category) for name in names)
        yield from names
