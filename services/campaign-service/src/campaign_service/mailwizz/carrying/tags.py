"""A template's merge variables as MailWizz's tags.

MailWizz fills its tags itself and knows no Liquid: plain variables have a tag, conditions, loops and filters
have none.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

from campaign_service.rendering import Content
from campaign_service.rendering.compiler import prepare
from campaign_service.rendering.liquid_env import Part, parse
from campaign_service.rendering.segments import split
from shared.errors import BusinessRuleError

_KNOWN = {
    "email": "EMAIL",
    "first_name": "FNAME",
    "last_name": "LNAME",
    "unsubscribe_url": "UNSUBSCRIBE_URL",
    "contact.country": "COUNTRY",
    "contact.language": "LANGUAGE",
}
#: Tags that every list has.
_EVERYWHERE = frozenset({"EMAIL", "FNAME", "LNAME", "UNSUBSCRIBE_URL"})
_CUSTOM = re.compile(r"contact\.custom\.([A-Za-z][A-Za-z0-9_]{0,40})")
# MailWizz puts values into the HTML as they are.
_MARKUP = str.maketrans("", "", "<>[]\r\n")


@dataclass(frozen=True, slots=True)
class Mapped:
    """A content with tags; `fields` are those that its list must have beside name and address."""

    subject: str
    html: str
    fields: frozenset[str]

    @property
    def encoded_html(self) -> str:
        """In base64, as the API takes it."""
        return base64.b64encode(self.html.encode()).decode()


def mapped(content: Content) -> Mapped:
    """Raises BusinessRuleError for what MailWizz cannot do, TemplateSyntaxError."""
    sources = prepare(content, None)
    subject, used = _text(sources.subject, "text", "subject")
    html, more = _text(sources.html, "html", "html")
    return Mapped(subject, html, frozenset(used | more) - _EVERYWHERE)


def _text(source: str, part: Part, field: str) -> tuple[str, set[str]]:
    pieces = split(parse(source, part, field))
    if pieces is None:
        raise BusinessRuleError(
            "MailWizz sends this campaign, and knows no conditions, loops or computed values", field=field
        )
    texts: list[str] = []
    used: set[str] = set()
    for piece in pieces:
        if isinstance(piece, str):
            texts.append(piece)
            continue
        tag = _tag(piece.key, field)
        used.add(tag)
        texts.append(f"[{tag}]")
    return "".join(texts), used


def _tag(key: str, field: str) -> str:
    name = key.removeprefix("contact.") if key.removeprefix("contact.") in _KNOWN else key
    custom = _CUSTOM.fullmatch(key)
    tag = custom.group(1).upper() if custom else _KNOWN.get(name)
    if tag is None:
        raise BusinessRuleError(f"MailWizz sends this campaign, and has no tag for {key}", field=field)
    return tag


def fields_of(person: dict[str, Any], wanted: frozenset[str]) -> dict[str, Any]:
    """A recipient as a subscriber; values are without what would be read as markup or as a tag."""
    custom = {str(key).upper(): value for key, value in (person["custom_fields"] or {}).items()}
    known = {"COUNTRY": person["country"], "LANGUAGE": person["language"]} | custom
    values = {"FNAME": person["first_name"], "LNAME": person["last_name"]}
    values |= {tag: known.get(tag) for tag in sorted(wanted)}
    clean = {tag: "" if value is None else str(value).translate(_MARKUP) for tag, value in values.items()}
    return {"EMAIL": person["email"], **clean, "details": {"status": "confirmed", "source": "api"}}
