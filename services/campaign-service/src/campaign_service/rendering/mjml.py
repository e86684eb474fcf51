"""MJML to HTML, once per template version: the Liquid stands aside meanwhile and comes back untouched."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import mrml

from .liquid_env import parse
from .markup import MARK, Masked, Tag, scan
from .model import TemplateSyntaxError

# What may stand in these is elements alone: the compiler drops any text there, but keeps comments.
_NAMES = re.compile(r"\S+").findall
_STRUCTURE = frozenset(
    _NAMES(
        "mjml mj-head mj-attributes mj-body mj-wrapper mj-section mj-group mj-column mj-hero mj-navbar "
        "mj-social mj-carousel mj-accordion mj-accordion-element"
    )
)
_KNOWN = _STRUCTURE | frozenset(
    _NAMES(
        "mj-title mj-preview mj-style mj-font mj-breakpoint mj-class mj-all mj-html-attributes mj-selector "
        "mj-html-attribute mj-text mj-button mj-image mj-divider mj-spacer mj-table mj-raw mj-navbar-link "
        "mj-social-element mj-carousel-image mj-accordion-title mj-accordion-text"
    )
)
_VOID = frozenset(_NAMES("area base br col embed hr img input link meta source track wbr"))
_DEEPEST = 100
_POSITION = re.compile(r" in root template(?: at position (\d+):\d+)?")
# Fonts come from nobody's server: asking for one would tell it who reads the mail.
_OPTIONS = mrml.RenderOptions(fonts={})


def compile_mjml(source: str) -> str:
    """HTML with the Liquid of `source`. Raises TemplateSyntaxError with the line in `source`."""
    parse(source, "html", "mjml")
    masked = Masked(source)
    structural = _check(masked)
    word = "lq" + hashlib.blake2b(source.encode("utf-8", "replace"), digest_size=8).hexdigest() + "n"

    def hide(match: re.Match[str]) -> str:
        number = match.group(1)
        return f"<!--{word}{number}x-->" if int(number) in structural else f"{word}{number}x"

    hidden = MARK.sub(hide, masked.html)
    shown = re.compile(f"<!--{word}(\\d+)x-->|{word}(\\d+)x")
    try:
        compiled = mrml.to_html(hidden, render_options=_OPTIONS).content
    except OSError as error:
        raise _compiler_error(str(error), hidden, shown, masked) from error
    kept = {int(match.group(1) or match.group(2)) for match in shown.finditer(compiled)}
    for match in MARK.finditer(masked.html):
        if int(match.group(1)) not in kept:
            raise _error(f"{masked.unmask(match.group())} cannot stand here", masked, match.start())
    return shown.sub(lambda match: masked.pieces[int(match.group(1) or match.group(2))], compiled)


def _check(masked: Masked) -> set[int]:
    """Tags that exist, opened and closed in pairs; answers the marks between structural elements."""
    open_tags: list[Tag] = []
    structural: set[int] = set()
    at = 0
    for item in scan(masked.html):
        if not open_tags or open_tags[-1].name in _STRUCTURE:
            structural.update(_marks(masked.html, at, item.start))
        at = item.end
        if isinstance(item, Tag):
            _check_tag(masked, item, open_tags)
            at = item.raw[1] if item.raw else item.end
    if open_tags:
        raise _error(f"<{open_tags[-1].name}> is never closed", masked, open_tags[-1].start)
    return structural


def _marks(html: str, start: int, end: int) -> Iterator[int]:
    return (int(number) for number in MARK.findall(html[start:end]))


def _check_tag(masked: Masked, tag: Tag, open_tags: list[Tag]) -> None:
    name = tag.name.removeprefix("/")
    if name == "mj-include":
        raise _error("mj-include has nothing to load", masked, tag.start)
    if name.startswith("mj") and name not in _KNOWN:
        raise _error(f"there is no element {name}", masked, tag.start)
    if tag.name.startswith("/"):
        if not open_tags or open_tags[-1].name != name:
            raise _error(f"</{name}> closes nothing that is open", masked, tag.start)
        open_tags.pop()
    elif name not in _VOID and masked.html[tag.end - 2] != "/":
        open_tags.append(tag)
        if len(open_tags) > _DEEPEST:
            raise _error(f"elements stand more than {_DEEPEST} deep in each other", masked, tag.start)


def _compiler_error(message: str, hidden: str, shown: re.Pattern[str], masked: Masked) -> TemplateSyntaxError:
    found = _POSITION.search(message)
    offset = int(found.group(1)) if found and found.group(1) else 0
    before = hidden.encode("utf-8", "replace")[:offset].decode("utf-8", "ignore")
    unhidden = shown.sub(lambda match: masked.pieces[int(match.group(1) or match.group(2))], before)
    return _at(_POSITION.sub("", message), unhidden)


def _error(message: str, masked: Masked, offset: int) -> TemplateSyntaxError:
    return _at(message, masked.unmask(masked.html[:offset]))


def _at(message: str, before: str) -> TemplateSyntaxError:
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return TemplateSyntaxError(
        f"mjml, line {line}: {message}", field="mjml", details={"line": line, "column": column}
    )
