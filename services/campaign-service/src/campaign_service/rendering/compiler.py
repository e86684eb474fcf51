"""A campaign's mails, prepared once per language and filled per recipient."""

from __future__ import annotations

import binascii
import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from liquid import Markup
from liquid.exceptions import LiquidError, ResourceLimitError

from . import headers
from .choosing import choose_content
from .css import inline_css
from .links import TRACKING_OUTPUT, LinkTable, Tracking, add_pixel, rewrite_html, rewrite_text
from .liquid_env import Part, parse, render
from .markup import Masked
from .mime import File, layout
from .model import CampaignInfo, Content, OutgoingMail, Recipient, RenderError, RenderLimitError
from .plaintext import html_to_text
from .quoted import (
    SOFT_BREAK,
    clean_header,
    encode_address,
    encode_block,
    encode_header,
    encode_value,
    safe_address,
)
from .segments import Output, Variables, split
from .site import Site
from .variables import merge_variables

Value = Callable[[Variables], bytes]
TRACKING_KEY = TRACKING_OUTPUT.strip("{} ")
# The same in HTML and text (nothing in them needs escaping), long, and in every mail.
_ENCODED_ONCE = (TRACKING_KEY, "unsubscribe_url")
_KEPT_CHOICES = 1000
_LINE_END = re.compile(r"\r\n|\r|\n")


@lru_cache(maxsize=4)
def _mail_date(second: int) -> bytes:
    return format_datetime(datetime.fromtimestamp(second, UTC)).encode("ascii")


class _Skeleton:
    """Fixed bytes with gaps; a gap is filled by a value, equal values are computed once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._gaps: list[tuple[int, int]] = []
        self._values: list[Value] = []
        self._keys: dict[str, int] = {}

    def text(self, fixed: bytes) -> None:
        self._parts.append(fixed)

    def gap(self, key: str, value: Value) -> None:
        if key not in self._keys:
            self._keys[key] = len(self._values)
            self._values.append(value)
        self._gaps.append((len(self._parts), self._keys[key]))
        self._parts.append(b"")

    def fill(self, variables: Variables) -> bytes:
        values = [value(variables) for value in self._values]
        parts = self._parts.copy()
        for position, number in self._gaps:
            parts[position] = values[number]
        return b"".join(parts)


class CompiledCampaign:
    """Mails of one campaign. `links` is the campaign's link table, `warnings` are for its author."""

    def __init__(
        self,
        contents: Mapping[str, Content],
        *,
        campaign: CampaignInfo,
        site: Site,
        links: Sequence[str] | None = None,
        files: Sequence[File] = (),
    ) -> None:
        if not contents:
            raise ValueError("a campaign needs at least one language")
        self.campaign = campaign
        self._site = site
        table = LinkTable(links or (), frozen=links is not None)
        tracking = Tracking(site.public_url, table, has_trap=campaign.has_link_trap)
        self.warnings: list[str] = []
        self._languages = {
            language: self._compile(contents[language], tracking, files) for language in sorted(contents)
        }
        self.links: list[str] = table.urls
        self._chosen: dict[tuple[str, str | None], _Skeleton] = {}
        senders = (campaign.from_email, campaign.reply_to or "")
        self._utf8 = not all((safe_address(sender) or "").isascii() for sender in senders)

    def mail(self, recipient: Recipient) -> OutgoingMail:
        """Raises RenderError when this recipient's mail cannot be made."""
        address = safe_address(recipient.email)
        if address is None:
            raise RenderError("the address cannot be used in a mail")
        campaign, site = self.campaign, self._site
        ref = site.refs.make(campaign.id, recipient.contact_id, recipient.variant)
        token = site.token(campaign.tenant_id, campaign.id, recipient.contact_id)
        variables = merge_variables(
            recipient, campaign_name=campaign.name, unsubscribe_url=site.unsubscribe_url(token)
        )
        variables["_t"] = {"token": Markup(token)}
        variables["_m"] = (recipient, address, ref, token)
        variables["_q"] = {
            TRACKING_KEY: encode_value(token),
            "unsubscribe_url": encode_value(variables["unsubscribe_url"]),
        }
        try:
            content = self._content(recipient).fill(variables)
        except (LiquidError, ValueError, TypeError, ArithmeticError) as error:
            raise RenderError(str(error)) from error
        utf8 = self._utf8 or not address.isascii()
        return OutgoingMail(f"b-{ref}@{site.mail_domain}", address, content, utf8)

    def render(self, recipient: Recipient) -> bytes:
        """The whole message (RFC 5322, CRLF); see `mail` for its envelope."""
        return self.mail(recipient).content

    def _content(self, recipient: Recipient) -> _Skeleton:
        wanted = (recipient.language, recipient.category)
        found = self._chosen.get(wanted)
        if found is None:
            if len(self._chosen) >= _KEPT_CHOICES:
                self._chosen.clear()
            key = choose_content(self._languages, *wanted, self.campaign.default_language)
            found = self._chosen[wanted] = self._languages[key]
        return found

    def _compile(self, content: Content, tracking: Tracking, files: Sequence[File]) -> _Skeleton:
        sources = prepare(content, tracking)
        self.warnings += sources.warnings
        skeleton = _Skeleton()
        fixed = headers.fixed(self.campaign, self._site)
        skeleton.text(b"Date: ")
        skeleton.gap("date", lambda _: _mail_date(int(time.time())))
        skeleton.text(b"\r\n" + fixed.before_recipient + b"To: ")
        skeleton.gap("to", _to)
        skeleton.text(b"\r\nSubject: ")
        _add_subject(skeleton, sources.subject)
        skeleton.gap("headers", headers.per_recipient(self.campaign, self._site))
        skeleton.text(fixed.after_recipient)
        boundary = hashlib.blake2b(sources.html.encode(), digest_size=12).hexdigest().encode()
        for piece in layout(boundary, ("text", "html"), sources.html, files):
            if isinstance(piece, bytes):
                skeleton.text(piece)
            else:
                _add_body(skeleton, sources.html if piece == "html" else sources.text, piece)
        return skeleton


class Sources:
    """A content's Liquid after all rewriting that is done once."""

    __slots__ = ("html", "subject", "text", "warnings")

    def __init__(self, subject: str, html: str, text: str, warnings: list[str]) -> None:
        self.subject = subject
        self.html = html
        self.text = text
        self.warnings = warnings


def prepare(content: Content, tracking: Tracking | None) -> Sources:
    """Checks the syntax as written, then inlines CSS and (with `tracking`) links and pixel.

    Raises TemplateSyntaxError.
    """
    parse(content.subject, "text", "subject")
    parse(content.html, "html", "html")
    if content.text is not None:
        parse(content.text, "text", "text")
    plain = Masked(content.html)
    plain.html = html_to_text(plain) if content.text is None else content.text
    if content.text is not None:
        plain = Masked(content.text)
    markup = Masked(content.html)
    warnings = rewrite_html(markup, tracking)
    if tracking:
        rewrite_text(plain, tracking)
        add_pixel(markup, tracking)
    warnings += inline_css(markup)
    return Sources(content.subject, markup.unmask(markup.html), plain.unmask(plain.html), warnings)


def _add_subject(skeleton: _Skeleton, source: str) -> None:
    text = text_getter(source, "text", "subject")
    if isinstance(text, str):
        skeleton.text(encode_header(text, used=9))
    else:
        get = text
        skeleton.gap("subject", lambda variables: encode_header(get(variables), used=9))


def text_getter(source: str, part: Part, field: str) -> str | Callable[[Variables], str]:
    """A fixed text, or a function of the variables."""
    template = parse(source, part, field)
    pieces = split(template)
    if pieces is None:
        return lambda variables: render(template, variables)
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(str(piece) for piece in pieces)
    getters = [(lambda _, fixed=p: fixed) if isinstance(p, str) else p.get for p in pieces]
    return lambda variables: "".join(get(variables) for get in getters)


def _add_body(skeleton: _Skeleton, source: str, part: Part) -> None:
    template = parse(source, part, part)
    pieces = split(template)
    if pieces is None:
        skeleton.gap(part, lambda variables: encode_rendered(render(template, variables)))
        return
    for piece in _merged(pieces):
        if isinstance(piece, str):
            skeleton.text(encode_block(piece))
        else:
            skeleton.text(SOFT_BREAK)
            skeleton.gap(f"{part} {piece.key}", _encoded(piece))
            skeleton.text(SOFT_BREAK)


def _merged(pieces: Sequence[str | Output]) -> list[str | Output]:
    merged: list[str | Output] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


def _encoded(output: Output) -> Value:
    key, get = output.key, output.get
    if key in _ENCODED_ONCE:
        return lambda variables: variables["_q"][key]
    return lambda variables: encode_value(get(variables))


def encode_rendered(text: str) -> bytes:
    """Quoted-printable of a whole rendered part."""
    raw = _LINE_END.sub("\r\n", text).encode("utf-8", "replace")
    encoded = binascii.b2a_qp(raw, istext=True)
    return encoded if b"\r\n" in raw else encoded.replace(b"=\n", SOFT_BREAK)


def _to(variables: Variables) -> bytes:
    recipient, address, *_ = variables["_m"]
    name = " ".join(filter(None, (recipient.first_name, recipient.last_name)))
    return encode_address(name, address, used=4)


def compile_message(
    contents: Mapping[str, Content],
    *,
    campaign: CampaignInfo,
    site: Site,
    links: Sequence[str] | None = None,
    files: Sequence[File] = (),
) -> CompiledCampaign:
    """Compiles all languages of a campaign, whose mails all carry `files`.

    Without `links` the link table is collected (fill `campaign_link` from `.links`); with the frozen list of
    a started campaign, a link that is not in it stays untracked. Raises TemplateSyntaxError.
    """
    return CompiledCampaign(contents, campaign=campaign, site=site, links=links, files=files)


def render_source(source: str, part: Part, field: str, variables: dict[str, Any]) -> str:
    """One source with one person's variables; used by the preview."""
    text = text_getter(source, part, field)
    if isinstance(text, str):
        return text
    try:
        return text(variables)
    except ResourceLimitError as error:
        raise RenderLimitError(str(error.message)) from error
    except (LiquidError, ValueError, TypeError, ArithmeticError) as error:
        raise RenderError(str(error)) from error


def one_line(subject: str) -> str:
    """A subject as it arrives: one line."""
    return clean_header(subject)
