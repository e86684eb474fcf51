"""Joined segments and full Liquid say the same, and no value can break a message."""

from __future__ import annotations

import email
import email.policy
import quopri
from email.message import EmailMessage
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_service.rendering import CampaignInfo, Content, Recipient, Site, compile_message
from campaign_service.rendering.liquid_env import ENVIRONMENTS, Part, parse, render
from campaign_service.rendering.quoted import SOFT_BREAK, encode_block, encode_value
from campaign_service.rendering.segments import split
from campaign_service.rendering.variables import merge_variables

SITE = Site.from_secret(
    "a secret of the tests", public_url="https://t.example.com", mail_domain="m.example.com"
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(allow_nan=False, width=16) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)
PATHS = st.sampled_from(
    [
        "first_name",
        "contact.last_name",
        "contact.custom.a",
        "contact.custom.b.c",
        "contact.custom",
        "campaign.name",
        "email.nope",
        "nope.nope",
        "unsubscribe_url",
    ]
)
FILTERS = st.lists(
    st.sampled_from(
        [
            'default: "friend"',
            "upcase",
            "downcase",
            "capitalize",
            "strip",
            "escape",
            "url_encode",
            "truncate: 5",
            'append: "<!"',
            'replace: "a", "&"',
            "newline_to_br",
            "strip_html",
            "size",
            'date: "%Y"',
            "url_part",
            "url_start",
            "css_value",
        ]
    ),
    max_size=3,
)
OUTPUTS = st.builds(lambda path, filters: "{{ " + " | ".join([path, *filters]) + " }}", PATHS, FILTERS)
FIXED = TEXT.map(lambda text: text.replace("{", "(").replace("\r", ""))
TEMPLATES = st.lists(FIXED | OUTPUTS, max_size=6).map("".join)
RECIPIENTS = st.builds(
    Recipient,
    contact_id=st.just(UUID(int=3)),
    email=st.just("anna@example.com"),
    first_name=st.none() | TEXT,
    last_name=st.none() | TEXT,
    custom=st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2),
)


def outcome(make: Any) -> tuple[bool, str]:
    try:
        return True, make()
    except Exception as error:  # noqa: BLE001  # the two ways must agree on failing, too
        return False, type(error).__name__ if isinstance(error, AssertionError) else "refused"


@settings(max_examples=300, deadline=None)
@given(template=TEMPLATES, recipient=RECIPIENTS, part=st.sampled_from(["html", "text"]))
def test_joined_segments_equal_a_full_rendering(template: str, recipient: Recipient, part: Part) -> None:
    variables = merge_variables(
        recipient, campaign_name="Spring & Co", unsubscribe_url="https://t.example.com/u"
    )
    parsed = parse(template, part, "html")
    pieces = split(parsed)
    assert pieces is not None
    joined = outcome(lambda: "".join(p if isinstance(p, str) else p.get(variables) for p in pieces))
    assert joined == outcome(lambda: render(parsed, variables))


@settings(max_examples=150, deadline=None)
@given(template=TEMPLATES, recipient=RECIPIENTS)
def test_a_message_is_the_same_with_and_without_segments(template: str, recipient: Recipient) -> None:
    info = CampaignInfo(UUID(int=1), UUID(int=2), "Spring", None, "news@example.com")
    variables = merge_variables(recipient, campaign_name="Spring", unsubscribe_url="x")
    ok, _ = outcome(lambda: ENVIRONMENTS["html"].from_string(template).render(variables))
    if not ok:
        return
    bodies = []
    for source in (template, template + "{% if false %}{% endif %}"):
        compiled = compile_message({"en": Content("x", source, source)}, campaign=info, site=SITE)
        message = email.message_from_bytes(compiled.render(recipient), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        bodies.append([p.get_content() for p in message.walk() if not p.is_multipart()])
    assert bodies[0] == bodies[1]


@given(st.lists(TEXT, min_size=1, max_size=6))
def test_pieces_encoded_apart_decode_to_the_whole(pieces: list[str]) -> None:
    raw = b"".join(
        encode_block(piece) if at % 2 == 0 else SOFT_BREAK + encode_value(piece) + SOFT_BREAK
        for at, piece in enumerate(pieces)
    )
    assert all(len(line) <= 76 for line in raw.split(b"\r\n"))
    expected = "".join(pieces).replace("\r\n", "\n").replace("\r", "\n")
    # a CR at the end of one piece and an LF at the start of the next are two line ends, not one
    whole = "".join(piece.replace("\r\n", "\n").replace("\r", "\n") for piece in pieces)
    assert quopri.decodestring(raw).decode().replace("\r\n", "\n") in (expected, whole)


@settings(max_examples=200, deadline=None)
@given(subject=TEXT, name=TEXT, first=TEXT)
def test_no_value_adds_a_header_or_loses_text(subject: str, name: str, first: str) -> None:
    info = CampaignInfo(UUID(int=1), UUID(int=2), "x", name, "news@example.com")
    source = compile_message({"en": Content("{{ contact.custom.s }}", "<p></p>")}, campaign=info, site=SITE)
    raw = source.render(Recipient(UUID(int=3), "a@example.com", first_name=first, custom={"s": subject}))
    head = raw.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if not line.startswith(b" ")]
    assert names == [
        b"Date", b"From", b"To", b"Subject", b"Message-ID", b"X-Envid", b"List-Unsubscribe",
        b"List-Unsubscribe-Post", b"List-Id", b"Feedback-ID", b"X-Campaign-Id", b"X-Job", b"MIME-Version",
        b"Content-Type",
    ]  # fmt: skip
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert "".join(str(message["Subject"]).split()) == "".join(_one_line(subject).split())


def _one_line(text: str) -> str:
    return "".join(" " if ord(c) < 32 or ord(c) in (0x7F, 0x85, 0x2028, 0x2029) else c for c in text)
