"""Any mail is correct to three readers: two parsers and a strict reading of RFC 5322, 2045 and 2047."""

from __future__ import annotations

import email
import quopri
import re
from collections.abc import Iterator
from email import policy
from email.header import decode_header, make_header
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_service.rendering import CampaignInfo, Content, OutgoingMail, Recipient, Site, compile_message

SITE = Site.from_secret("s", public_url="https://t.example.com", mail_domain="m.example.com")
INFO = CampaignInfo(UUID(int=1), UUID(int=2), "c", "Zoé, “the” Sender", "news@exämple.com")
CONTENT = Content(
    "For {{ first_name }} {{ contact.custom.x }}",
    "<p>{{ contact.custom.x }}</p>\n.\n",
    "T {{ contact.custom.x }}\n..\n",
)
ENCODED_WORD = re.compile(rb"=\?utf-8\?B\?[A-Za-z0-9+/=]*\?=")
QUOTED_LINE = re.compile(rb"(?:[ -<>-~\t]|=[0-9A-F]{2})*=?")
COMPILED = compile_message({"en": CONTENT}, campaign=INFO, site=SITE)
ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=300)


def faults(raw: bytes) -> Iterator[str]:
    """What a strict reader would object to."""
    head, _, body = raw.partition(b"\r\n\r\n")
    if b"\r" in raw.replace(b"\r\n", b"") or b"\n" in raw.replace(b"\r\n", b""):
        yield "a bare CR or LF"
    for line in head.split(b"\r\n"):
        if len(line) > 998 or not line.strip() or not line.isascii():
            yield f"header line {line[:80]!r}"
        if not re.match(rb"[!-9;-~]+:|[ \t]+\S", line):
            yield f"neither a header nor its continuation: {line[:80]!r}"
        for word in line.split():
            if word.startswith(b"=?") and (not ENCODED_WORD.match(word) or len(word) > 75 + 1):
                yield f"encoded word {word[:90]!r}"
    for line in body.split(b"\r\n"):
        is_structure = line.startswith((b"Content-", b"--=_tidings_"))
        is_quoted = QUOTED_LINE.fullmatch(line) and not line.endswith((b" ", b"\t"))
        if len(line) > 76 or not (is_structure or is_quoted):
            yield f"body line {line[:90]!r}"


def mail_for(name: str, value: str) -> OutgoingMail:
    person = Recipient(UUID(int=3), "ann@bücher.example.com", first_name=name, custom={"x": value})
    return COMPILED.mail(person)


@settings(max_examples=60, deadline=None)
@given(ANY_TEXT, ANY_TEXT)
def test_three_readers_agree(name: str, value: str) -> None:
    raw = mail_for(name, value).content
    assert list(faults(raw)) == []
    modern = email.message_from_bytes(raw, policy=policy.default)
    legacy = email.message_from_bytes(raw, policy=policy.compat32)
    assert not modern.defects
    assert not legacy.defects
    wanted = " ".join(f"For {name} {value}".split())
    assert " ".join(str(modern["Subject"]).split()) == wanted
    assert " ".join(str(make_header(decode_header(legacy["Subject"]))).split()) == wanted
    assert str(modern["To"].addresses[0].addr_spec) == "ann@xn--bcher-kva.example.com"
    part = modern.get_body(("plain",))
    assert part is not None
    text = part.get_content()
    plain = next(piece for piece in legacy.walk() if piece.get_content_type() == "text/plain")
    other = quopri.decodestring(str(plain.get_payload())).decode()
    assert text.replace("\r\n", "\n") == other.replace("\r\n", "\n")
    assert value.split() == text.partition("T ")[2].rpartition("..")[0].split()
