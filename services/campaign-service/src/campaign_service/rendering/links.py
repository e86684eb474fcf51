"""The tracked links of a campaign, and where they are put into a template's source.

Tracked: every http(s) link of `a`, `area` and Outlook's `v:*` elements and every plain URL of the text part.
Left as they are: other schemes, and links that contain merge variables. Carrying a rendered target in the
mail would make the click address an open redirect or a second signed format; the target of a tracked link
never travels.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Protocol

from .markup import CLOSE, MARK, OPEN, Context, Masked, Tag, contexts, scan

TRACKING_OUTPUT = "{{ _t.token }}"  # the recipient's tracking token, see sending/tokens.py
_HTTP = re.compile(r"\s*https?://", re.IGNORECASE)
_TEXT_URL = re.compile(rf"https?://[^\s<>\"'{OPEN}{CLOSE}]+(?P<variable>{OPEN})?", re.IGNORECASE)
_TRAILING = ".,;:!?)]"
_LINKED = frozenset({"a", "area"})
_OUTPUT = re.compile(r"\{\{(-?)(.*?)(-?)\}\}", re.DOTALL)
_FILTERS: dict[Context, str] = {"url_start": "url_start", "url_part": "url_part", "css": "css_value"}


class LinkTable:
    """URL → index, one table for all languages and parts of a campaign; the same URL has one index.

    `frozen` tables (loaded from the database) know only the links the campaign started with.
    """

    def __init__(self, urls: Iterable[str] = (), *, frozen: bool = False) -> None:
        self.urls = list(urls)
        self._index = {url: index for index, url in enumerate(self.urls)}
        self._frozen = frozen

    def index(self, url: str) -> int | None:
        """None when the table is frozen and does not know `url`."""
        if url not in self._index and not self._frozen:
            self._index[url] = len(self.urls)
            self.urls.append(url)
        return self._index.get(url)


class Rewriting(Protocol):
    """What is put in place of a link; None leaves it as it is."""

    def address(self, masked: Masked, url: str) -> str | None: ...


class Tracking:
    """Puts tracked addresses below `base` (the public address) in place of links.

    `pixel` is what is added to the HTML: the picture, and with `has_trap` the link that no person sees.
    """

    def __init__(self, base: str, links: LinkTable, *, has_trap: bool = False) -> None:
        self.links = links
        trap = (
            f'<a href="{html.escape(base)}/t/h/{TRACKING_OUTPUT}" rel="nofollow" tabindex="-1" '
            'aria-hidden="true" style="display:none"></a>'
        )
        self.pixel = (trap if has_trap else "") + (
            f'<img src="{html.escape(base)}/t/o/{TRACKING_OUTPUT}" width="1" height="1" alt="" '
            'style="display:block;border:0;width:1px;height:1px">'
        )
        self._click = f"{base}/t/c/"

    def address(self, masked: Masked, url: str) -> str | None:
        index = self.links.index(url)
        return None if index is None else f"{self._click}{masked.add(TRACKING_OUTPUT)}.{index}"


def rewrite_html(masked: Masked, tracking: Tracking | None) -> list[str]:
    """Escapes outputs by context, quotes bare attributes, tracks links; answers warnings for the author."""
    _filter_outputs(masked)
    edits: list[tuple[int, int, str]] = []
    warnings: list[str] = []
    for item in scan(masked.html):
        if isinstance(item, Tag):
            edits += _tag_edits(masked, item, tracking, warnings)
    for start, end, text in reversed(edits):
        masked.html = masked.html[:start] + text + masked.html[end:]
    return warnings


def _filter_outputs(masked: Masked) -> None:
    for number, context in contexts(masked.html).items():
        match = _OUTPUT.fullmatch(masked.pieces[number])
        name = _FILTERS.get(context)
        if match and name and match.group(2).strip() != "unsubscribe_url":
            left, expression, right = match.groups()
            masked.pieces[number] = f"{{{{{left}{expression.rstrip()} | {name} {right}}}}}"


def _tag_edits(
    masked: Masked, tag: Tag, tracking: Tracking | None, warnings: list[str]
) -> list[tuple[int, int, str]]:
    edits = []
    for attribute in tag.attributes:
        bare = masked.html[attribute.start - 1] not in "\"'"
        value = attribute.value
        if attribute.name == "href" and (tag.name in _LINKED or tag.name.startswith("v:")):
            value = _tracked(masked, value, tracking, warnings)
        if value != attribute.value or (bare and OPEN in value):
            edits.append((attribute.start, attribute.end, f'"{value}"' if bare else value))
    return edits


def _tracked(masked: Masked, value: str, tracking: Tracking | None, warnings: list[str]) -> str:
    if not _HTTP.match(value):
        return value
    if MARK.search(value):
        shown = re.sub(r" \| url_(?:part|start) ", " ", masked.unmask(value))
        warnings.append(f"The link {shown} contains merge variables and is not tracked")
        return value
    url = html.unescape(value).strip()
    address = tracking.address(masked, url) if tracking else None
    return html.escape(address, quote=True) if address else value


def rewrite_text(masked: Masked, tracking: Rewriting) -> None:
    """Rewrites the plain URLs of a text part."""

    def replace(match: re.Match[str]) -> str:
        whole = match.group()
        if match.group("variable"):
            return whole
        url = whole.rstrip(_TRAILING)
        if url.count("(") > url.count(")") and whole[len(url) :].startswith(")"):
            url += ")"
        address = tracking.address(masked, url)
        return whole if address is None else address + whole[len(url) :]

    masked.html = _TEXT_URL.sub(replace, masked.html)


def add_pixel(masked: Masked, tracking: Tracking) -> None:
    at = masked.html.lower().rfind("</body")
    at = len(masked.html) if at < 0 else at
    pixel = tracking.pixel.replace(TRACKING_OUTPUT, masked.add(TRACKING_OUTPUT))
    masked.html = masked.html[:at] + pixel + masked.html[at:]
