"""Single mails, and the names of people and files in all mails, as readers of several kinds see them."""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_service.messages.mime import outgoing
from campaign_service.rendering import (
    CampaignInfo,
    Content,
    OutgoingMail,
    Recipient,
    RenderError,
    compile_message,
)
from campaign_service.sending.talk import stuffed

from .test_rendering_mime import ANY_TEXT, SITE, faults

BODY = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=400) | st.lists(
    st.sampled_from([".", "..", "", "x" * 1200, "=20", "é" * 500, " trailing ", "From here", ".\r\n."])
).map("\n".join)
NAMES = [
    "Anna Berg",
    "Berg, Anna",
    'Anna "the" Berg\\',
    "Zoë Müller, Ltd. <zoe>",
    "=?utf-8?Q?not_encoded?=",
    "a" * 200,
    '\\"' * 100,
    "名" * 200,
]


def single(**fields: Any) -> OutgoingMail:
    row = {
        "from_email": "shop@example.com",
        "from_name": None,
        "recipient_email": "anna@example.com",
        "recipient_name": None,
        "reply_to": None,
        "subject": "Hi",
        "html": None,
        "text": "Hello",
        "created_at": datetime(2026, 11, 21, 9, tzinfo=UTC),
    }
    return outgoing(UUID(int=7), row | fields, "m.example.com", 0)


def parsed(mail: OutgoingMail) -> EmailMessage:
    message = email.message_from_bytes(mail.content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def lines(text: str) -> list[str]:
    """As every line end is one in a mail."""
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")


@settings(max_examples=80, deadline=None)
@given(text=BODY, html=st.none() | BODY, subject=ANY_TEXT, name=ANY_TEXT)
def test_any_body_arrives_as_it_was(text: str, html: str | None, subject: str, name: str) -> None:
    mail = single(text=text, html=html, subject=subject, recipient_name=name)
    assert list(faults(mail.content)) == []
    message = parsed(mail)
    assert " ".join(str(message["Subject"]).split()) == " ".join(subject.split())
    for kind, wanted in (("plain", text), ("html", html)):
        part = message.get_body((kind,))
        assert (part is None) == (wanted is None)
        if part is not None and wanted is not None:
            raw = part.get_payload(decode=True)
            assert isinstance(raw, bytes)
            assert lines(raw.decode()) == lines(wanted)


@given(st.lists(st.sampled_from([b".", b"..", b"a.", b"", b".x" * 600])).map(b"\r\n".join))
def test_dots_are_stuffed_so_that_no_line_ends_the_mail(content: bytes) -> None:
    travelling = stuffed(content)
    assert travelling.endswith(b"\r\n")
    rows = travelling.removesuffix(b"\r\n").split(b"\r\n")
    assert b"." not in rows
    taken = b"\r\n".join(row.removeprefix(b".") for row in rows)
    assert taken == content.removesuffix(b"\r\n")


@pytest.mark.parametrize("name", NAMES)
def test_names_of_people_are_read_by_two_parsers_in_both_kinds_of_mail(name: str) -> None:
    info = CampaignInfo(UUID(int=1), UUID(int=2), "c", name, "news@example.com")
    campaign = compile_message({"en": Content("x", "<p>x</p>")}, campaign=info, site=SITE)
    mails = (
        campaign.mail(Recipient(UUID(int=3), "anna@example.com", first_name=name)),
        single(from_name=name, recipient_name=name),
    )
    for mail in mails:
        assert list(faults(mail.content)) == []
        head = mail.content.partition(b"\r\n\r\n")[0]
        assert max(map(len, head.split(b"\r\n"))) <= 200
        message = parsed(mail)
        legacy = email.message_from_bytes(mail.content, policy=policy.compat32)
        for header in ("From", "To"):
            # the modern parser puts a blank between two encoded words, which RFC 2047 6.2 does not
            shown = message[header].addresses[0].display_name
            assert "".join(shown.split()) == "".join(name.split())
            written, address = parseaddr("".join(str(legacy[header]).splitlines()))
            assert str(make_header(decode_header(written))) == name
            assert address in ("news@example.com", "shop@example.com", "anna@example.com")


def test_an_address_beyond_ascii_is_marked_for_the_server() -> None:
    mail = single(recipient_email="zoé@bücher.example", recipient_name="Zoé")
    assert (mail.recipient, mail.utf8) == ("zoé@xn--bcher-kva.example", True)
    assert "<zoé@xn--bcher-kva.example>\r\n".encode() in mail.content
    assert single(recipient_email="zoe@bücher.example", from_name="Zoé").utf8 is False
    assert single(from_email="zoé@example.com").utf8 is True
    info = CampaignInfo(UUID(int=1), UUID(int=2), "c", None, "news@example.com")
    campaign = compile_message({"en": Content("x", "<p>x</p>")}, campaign=info, site=SITE)
    assert campaign.mail(Recipient(UUID(int=3), "zoé@example.com")).utf8 is True
    assert campaign.mail(Recipient(UUID(int=3), "zoe@example.com", first_name="Zoé")).utf8 is False


def test_an_address_that_no_mail_can_have_is_refused() -> None:
    with pytest.raises(RenderError):
        single(recipient_email="a b@example.com")
