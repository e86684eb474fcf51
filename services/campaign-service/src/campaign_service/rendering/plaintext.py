"""The text part of a mail, made from its HTML."""

from __future__ import annotations

import html
import re

from .markup import Comment, Masked, Tag, scan

_BLOCKS = frozenset(
    {
        "p",
        "div",
        "table",
        "tr",
        "ul",
        "ol",
        "blockquote",
        "section",
        "article",
        "header",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "form",
        "pre",
        "center",
    }
)
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote"})
_SPACES = re.compile(r"[ \t\r\n\f]+")
_HIDDEN = frozenset({"script", "style", "title"})


class _Writer:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self.links: list[tuple[str, int]] = []

    def text(self, raw: str) -> None:
        self.parts.append(_SPACES.sub(" ", html.unescape(raw)))

    def start(self, tag: Tag) -> None:
        values = {attribute.name: html.unescape(attribute.value).strip() for attribute in tag.attributes}
        match tag.name:
            case "br":
                self.parts.append("\n")
            case "hr":
                self.parts.append("\n----------\n")
            case "li":
                self.parts.append("\n- ")
            case "td" | "th":
                self.parts.append(" ")
            case "img" if values.get("alt"):
                self.parts.append(values["alt"])
            case "a":
                self.links.append((values.get("href", ""), len(self.parts)))
        self._block(tag.name)

    def end(self, name: str) -> None:
        if name == "a" and self.links:
            url, begin = self.links.pop()
            label = "".join(self.parts[begin:]).strip()
            if url and not url.startswith("#") and url not in (label, f"mailto:{label}"):
                self.parts.append(f" <{url}>" if label else f"<{url}>")
        self._block(name)

    def _block(self, name: str) -> None:
        if name in _BLOCKS:
            self.parts.append("\n\n" if name in _PARAGRAPHS else "\n")

    def result(self) -> str:
        text = re.sub(r" *\n *", "\n", re.sub(r" {2,}", " ", "".join(self.parts)))
        return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def html_to_text(masked: Masked) -> str:
    """Masked text: Liquid marks stay where they stood; links become `label <address>`."""
    source = masked.html
    head_end = re.search(r"</head\s*>", source, re.IGNORECASE)
    writer = _Writer()
    position = head_end.end() if head_end else 0
    for item in scan(source):
        if item.start < position:
            continue
        writer.text(source[position : item.start])
        position = item.end
        if isinstance(item, Comment):
            continue
        if item.raw:
            position = item.raw[1] if item.name in _HIDDEN else position
        if item.name.startswith("/"):
            writer.end(item.name[1:])
        else:
            writer.start(item)
    writer.text(source[position:])
    return writer.result()
