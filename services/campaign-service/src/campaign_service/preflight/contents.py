"""What can be seen in a content and in the mail that is made of it."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from email import policy
from email.parser import BytesHeaderParser
from urllib.parse import urlsplit

from campaign_service.rendering import Content, Preview
from campaign_service.rendering.markup import Masked, Tag, scan
from campaign_service.rendering.mime import shown_files
from campaign_service.rendering.plaintext import html_to_text

from .schemas import Check, error, ok, warning

CLIPPED = 102_000
# Many mail servers refuse more than 10 MB, Gmail more than 25 MB; base64 makes files a third larger.
_HEAVY, _TOO_HEAVY = 10_000_000, 25_000_000
_BASE64 = 4 / 3 * 78 / 76
_SUBJECT = 78
_FEW_WORDS = 20
_PLACEHOLDERS = re.compile(
    r"#?|https?://|.*\b(?:todo|fixme|changeme|yourdomain|your-domain|yoursite|insert-link|placeholder)\b.*",
    re.IGNORECASE,
)
_OUTPUT = re.compile(r"\{\{-?\s*([\w.]+)([^}]*)\}\}")
_MAY_BE_EMPTY = re.compile(r"(?:contact\.)?(?:first_name|last_name)|contact\.country|contact\.custom\..+")


def check_content(name: str, content: Content, shown: Preview) -> Iterator[Check]:
    """One content, rendered for one person with `#unsubscribe` as the unsubscribe link."""
    yield _subject(name, shown.subject)
    yield _links(name, shown.html)
    yield _unsubscribe(name, content)
    yield _size(name, shown.html)
    yield _images(name, shown.html)
    yield _fields(name, content, shown)


def _subject(name: str, subject: str) -> Check:
    if not subject.strip():
        return error("subject", "The subject is empty", "Write one, with a default for each field", name)
    if len(subject) > _SUBJECT:
        advice = "Say the most important in the first 50 characters"
        return warning("subject", f"The subject has {len(subject)} characters; it will be cut", advice, name)
    letters = [letter for letter in subject if letter.isalpha()]
    if (len(letters) > 7 and all(letter.isupper() for letter in letters)) or "!!" in subject:
        return warning("subject", "The subject shouts", "Write it in normal case, without !!", name)
    return ok("subject", "The subject is neither empty nor too long", name)


def links_of(markup: str) -> list[str]:
    """The address of every link."""
    return [
        html.unescape(attribute.value).strip()
        for tag in scan(Masked(markup).html)
        if isinstance(tag, Tag) and (tag.name in ("a", "area") or tag.name.startswith("v:"))
        for attribute in tag.attributes
        if attribute.name == "href"
    ]


def _links(name: str, markup: str) -> Check:
    return check_links(name, [link for link in links_of(markup) if link != "#unsubscribe"])


def check_links(name: str, links: Sequence[str]) -> Check:
    """Where the links of a content lead."""
    empty = [link for link in links if _PLACEHOLDERS.fullmatch(link)]
    if empty:
        shown = ", ".join(sorted({link or "(empty)" for link in empty})[:5])
        return error("links", f"Links lead nowhere yet: {shown}", "Put the real addresses in", name)
    broken = [link for link in links if not _is_address(link)]
    if broken:
        return error("links", f"No addresses: {', '.join(broken[:5])}", "Correct the links", name)
    plain = [link for link in links if link.lower().startswith("http:")]
    if plain:
        return warning("links", f"Without https: {', '.join(plain[:5])}", "Link to https addresses", name)
    return ok("links", f"{len(links)} links, all well formed", name)


def _is_address(link: str) -> bool:
    try:
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        return False
    if parts.scheme in ("http", "https"):
        return bool(host) and " " not in link
    return parts.scheme in ("mailto", "tel", "sms") or (not parts.scheme and link.startswith("#"))


def _unsubscribe(name: str, content: Content) -> Check:
    missing = [
        part
        for part, source in (("HTML", content.html), ("text", content.text))
        if source is not None and "unsubscribe_url" not in source
    ]
    if missing:
        message = f"The {' and the '.join(missing)} has no unsubscribe link"
        return warning("unsubscribe_link", message, "Link {{ unsubscribe_url }} where it can be seen", name)
    return ok("unsubscribe_link", "There is an unsubscribe link", name)


def _size(name: str, markup: str) -> Check:
    size = len(markup.encode("utf-8", "replace"))
    if size > CLIPPED:
        message = f"The HTML has {size // 1000} kB: Gmail hides what is beyond 102 kB"
        return warning("size", message, "Shorten it, so that the unsubscribe link stays to be seen", name)
    return ok("size", f"The HTML has {-(-size // 1000)} kB", name)


def _images(name: str, markup: str) -> Check:
    images = [tag for tag in scan(Masked(markup).html) if isinstance(tag, Tag) and tag.name == "img"]
    words = len(html_to_text(Masked(markup)).split())
    if images and words < _FEW_WORDS:
        message = f"{len(images)} images and only {words} words"
        return warning("images", message, "Say it in text: images are often not loaded", name)
    return ok("images", f"{len(images)} images beside {words} words", name)


def _fields(name: str, content: Content, shown: Preview) -> Check:
    unknown = [text for text in shown.warnings if text.startswith("Unknown variable")]
    if unknown:
        return error("merge_fields", "; ".join(unknown), "Use the fields that contacts have", name)
    sources = (content.subject, content.html, content.text or "")
    bare = sorted({field for source in sources for field in without_default(source)})
    if bare:
        message = f"Without a default: {', '.join(bare)}"
        return warning("merge_fields", message, 'Write {{ first_name | default: "you" }}', name)
    return ok("merge_fields", "All fields are known and have a default", name)


def without_default(source: str) -> Iterator[str]:
    """Fields that may be empty for somebody."""
    for field, filters in _OUTPUT.findall(source):
        if _MAY_BE_EMPTY.fullmatch(field) and "default" not in filters:
            yield field


def check_weight(files: int, contents: Iterable[Content]) -> Check:
    """The whole mail as it travels; `files` are the bytes of its attachments."""
    weight = files * _BASE64 + max(len(f"{c.html}{c.text or ''}".encode()) for c in contents)
    said = f"The whole mail has {weight / 1e6:.1f} MB"
    if weight > _TOO_HEAVY:
        return error("weight", f"{said}: large mailbox providers refuse it", "Link to the files instead")
    if weight > _HEAVY:
        return warning("weight", f"{said}: many mail servers refuse it", "Link to the files instead")
    return ok("weight", said)


def check_pictures(name: str, markup: str, attached: Collection[str | None]) -> Check | None:
    """Pictures that the HTML shows by `cid:` have to be attached. None without such pictures."""
    shown = shown_files(markup)
    missing = sorted(shown - {one for one in attached if one})
    if missing:
        advice = "Attach a file with this content_id"
        return error("inline_images", f"Not attached: {', '.join(missing[:5])}", advice, name)
    return ok("inline_images", "All pictures in the mail are attached", name) if shown else None


def check_headers(mail: bytes, public_url: str) -> Iterator[Check]:
    """The header lines that large mailbox providers ask for."""
    header = BytesHeaderParser(policy=policy.default).parsebytes(mail)
    listed, post = str(header["List-Unsubscribe"] or ""), header["List-Unsubscribe-Post"]
    if f"<{public_url}/" not in listed or post != "List-Unsubscribe=One-Click":
        advice = "Ask the operator of this installation"
        yield error("unsubscribe_headers", "The headers for unsubscribing with one click are missing", advice)
    elif not public_url.startswith("https:"):
        advice = "Set PUBLIC_URL to an https address: mailbox providers accept no other"
        yield warning("unsubscribe_headers", "The one-click address is not https", advice)
    else:
        yield ok("unsubscribe_headers", "One click unsubscribes, by header too")
    if header["Feedback-ID"]:
        yield ok("feedback_id", "There is a Feedback-ID")
    else:
        yield warning("feedback_id", "There is no Feedback-ID", "Complaints cannot be told apart without it")
