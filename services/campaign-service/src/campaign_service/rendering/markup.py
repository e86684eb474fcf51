"""Reads the HTML of a template around its Liquid: where each output stands, which links there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

# Liquid pieces are taken out of the HTML as private-use marks, so that neither grammar disturbs the other.
OPEN, CLOSE = "\ue000", "\ue001"
MARK = re.compile(f"{OPEN}(\\d+){CLOSE}")
_PRIVATE = re.compile(f"[{OPEN}{CLOSE}]")
_LIQUID = re.compile(
    r"\{%-?\s*(?P<block>raw|comment|doc)\b.*?%\}.*?\{%-?\s*end(?P=block)\s*-?%\}|\{\{.*?\}\}|\{%.*?%\}",
    re.DOTALL,
)
_TAG = re.compile(r"<(/?[a-zA-Z][^\s/>]*)((?:[^>\"']|\"[^\"]*\"|'[^']*')*+)>")
_TAG_START = re.compile(r"<(?:!--|[a-zA-Z/])")
_ATTRIBUTE = re.compile(r"([^\s=/\"'>]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_RAW_TEXT = frozenset({"script", "style", "title", "textarea"})

Context = Literal["text", "attribute", "url_start", "url_part", "css", "tag", "raw"]
_URL_ATTRIBUTES = frozenset({"href", "src", "action", "background", "poster", "cite", "formaction"})


@dataclass(frozen=True, slots=True)
class Attribute:
    """`start` and `end` enclose the value (inside its quotes) in the masked source."""

    name: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tag:
    """A start tag (`name`) or an end tag (`/name`); raw-text elements carry their content in `raw`."""

    name: str
    start: int
    end: int
    attributes: tuple[Attribute, ...] = ()
    raw: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Comment:
    start: int
    end: int


class Masked:
    """A template source with its Liquid pieces replaced by marks; `unmask` puts them back."""

    def __init__(self, source: str) -> None:
        self.pieces: list[str] = []
        self.html = _LIQUID.sub(self._take, _PRIVATE.sub("", source))

    def _take(self, match: re.Match[str]) -> str:
        return self.add(match.group())

    def add(self, piece: str) -> str:
        """The mark that stands for `piece`."""
        self.pieces.append(piece)
        return f"{OPEN}{len(self.pieces) - 1}{CLOSE}"

    def unmask(self, text: str) -> str:
        return MARK.sub(lambda match: self.pieces[int(match.group(1))], text)


def scan(masked: str) -> Iterator[Tag | Comment]:
    """Tags and comments in order. A tag that never ends stops the scan, as it does in a browser."""
    position = 0
    while found := _TAG_START.search(masked, position):
        start = found.start()
        if masked.startswith("<!--", start):
            comment = _comment(masked, start)
            yield comment
            position = comment.end
            continue
        match = _TAG.match(masked, start)
        if match is None:
            return
        tag = _tag(masked, match)
        yield tag
        position = tag.raw[1] if tag.raw else tag.end


def _comment(masked: str, start: int) -> Comment:
    if masked.startswith("<!--[if", start):
        # Outlook reads what is inside: only the opening belongs to the comment
        end = masked.find("]>", start)
        return Comment(start, end + 2 if end >= 0 else len(masked))
    end = masked.find("-->", start + 4)
    return Comment(start, end + 3 if end >= 0 else len(masked))


def _tag(masked: str, match: re.Match[str]) -> Tag:
    name = match.group(1).lower()
    offset = match.start(2)
    attributes = tuple(_attributes(match.group(2), offset))
    raw = None
    if name in _RAW_TEXT:
        closing = re.compile(rf"</{name}\b", re.IGNORECASE).search(masked, match.end())
        raw = (match.end(), closing.start() if closing else len(masked))
    return Tag(name, match.start(), match.end(), attributes, raw)


def _attributes(text: str, offset: int) -> Iterator[Attribute]:
    for match in _ATTRIBUTE.finditer(text):
        group = match.lastindex or 4
        yield Attribute(
            match.group(1).lower(), match.group(group), offset + match.start(group), offset + match.end(group)
        )


def contexts(masked: str) -> dict[int, Context]:
    """Where each mark stands; a mark that is not in the answer stands in running text."""
    found: dict[int, Context] = {}
    for item in scan(masked):
        if isinstance(item, Comment):
            found |= dict.fromkeys(_marks(masked, item.start, item.end), "raw")
            continue
        found |= dict.fromkeys(_marks(masked, item.start, item.end), "tag")
        for attribute in item.attributes:
            found |= _in_attribute(attribute)
        if item.raw:
            found |= dict.fromkeys(_marks(masked, *item.raw), "css" if item.name == "style" else "raw")
    return found


def _in_attribute(attribute: Attribute) -> dict[int, Context]:
    marks = [int(number) for number in MARK.findall(attribute.value)]
    if attribute.name in _URL_ATTRIBUTES or attribute.name.endswith(":href"):
        at_start = attribute.value.lstrip().startswith(OPEN)
        return {m: "url_start" if at_start and i == 0 else "url_part" for i, m in enumerate(marks)}
    return dict.fromkeys(marks, "css" if attribute.name == "style" else "attribute")


def _marks(masked: str, start: int, end: int) -> list[int]:
    return [int(number) for number in MARK.findall(masked[start:end])]
