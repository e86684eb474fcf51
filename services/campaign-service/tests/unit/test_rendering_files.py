"""Files in mails, as two parsers and a strict reader find them."""

from __future__ import annotations

import email
import re
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage, Message
from email.utils import collapse_rfc2231_value
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_service.attachments.kinds import plain_name
from campaign_service.messages.mime import outgoing
from campaign_service.rendering import Content, File, Recipient, compile_message, encode_file

from .test_rendering_mime import INFO, SITE

HTML = '<p>Hello {{ first_name }}</p><img src="cid:logo@example.com"><img src="https://x.example.com/a.png">'
LOGO = File("logo.png", "image/png", encode_file(b"\x89PNG" + b"\x00" * 300), "logo@example.com")
NAMES = [
    "terms.pdf",
    "Preisliste für Zoë.pdf",
    'a "quoted\\" name.pdf',
    "名" * 60 + ".pdf",
    "a" * 190 + ".pdf",
]


def campaign_mail(html: str, *files: File) -> bytes:
    compiled = compile_message({"en": Content("Hi", html)}, campaign=INFO, site=SITE, files=files)
    return compiled.render(Recipient(UUID(int=3), "anna@example.com", first_name="Zoë"))


def single_mail(*files: File, text: str | None = "Hello", html: str | None = None) -> bytes:
    row = {
        "from_email": "a@example.com",
        "from_name": None,
        "recipient_email": "b@example.com",
        "recipient_name": None,
        "reply_to": None,
        "subject": "Hi",
        "text": text,
        "html": html,
        "created_at": datetime(2026, 11, 21, 9, tzinfo=UTC),
    }
    return outgoing(UUID(int=7), row, "m.example.com", 0, files).content


def tree(part: Message) -> object:
    kind = part.get_content_type()
    if not part.is_multipart():
        return kind
    return kind, [tree(child) for child in part.get_payload() if isinstance(child, Message)]


def read(raw: bytes) -> tuple[EmailMessage, Message]:
    """By both parsers, neither of which objects."""
    modern = email.message_from_bytes(raw, policy=policy.default)
    legacy = email.message_from_bytes(raw, policy=policy.compat32)
    assert isinstance(modern, EmailMessage)
    for message in (modern, legacy):
        assert not [part.defects for part in message.walk() if part.defects]
    assert tree(modern) == tree(legacy)
    assert max(map(len, raw.split(b"\r\n"))) <= 200
    assert max(map(len, raw.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 78
    return modern, legacy


@pytest.mark.parametrize("name", NAMES)
def test_names_of_files_are_parameters_and_never_encoded_words(name: str) -> None:
    file = File(name, "application/pdf", encode_file(b"%PDF-1.7"))
    for raw in (campaign_mail("<p>x</p>", file), single_mail(file)):
        modern, legacy = read(raw)
        [attached] = modern.iter_attachments()
        assert (attached.get_filename(), attached.get_content_disposition()) == (name, "attachment")
        other = [part for part in legacy.walk() if part.get_content_type() == "application/pdf"]
        shown = other[0].get_param("filename", header="Content-Disposition")
        assert isinstance(shown, str | tuple)
        assert collapse_rfc2231_value(shown) == name
        assert b"=?" not in raw.partition(b"application/pdf")[2]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=500), min_size=1, max_size=3),
    st.text(st.characters(codec="utf-8"), max_size=80),
)
def test_any_content_arrives_under_any_name(contents: list[bytes], name: str) -> None:
    plain = plain_name(name)
    files = [File(plain, "application/octet-stream", encode_file(content)) for content in contents]
    for raw in (campaign_mail(HTML, *files), single_mail(*files, html=HTML)):
        modern, legacy = read(raw)
        attached = list(modern.iter_attachments())
        assert [part.get_filename() for part in attached] == [plain] * len(contents)
        for parts in (attached, [p for p in legacy.walk() if p.get_filename() is not None]):
            assert [part.get_payload(decode=True) for part in parts] == contents


def test_pictures_stand_beside_the_html_and_files_behind_it() -> None:
    terms = File("terms.pdf", "application/pdf", encode_file(b"%PDF-1.7"))
    unshown = File("x.png", "image/png", encode_file(b"\x89PNG"), "x")
    for raw in (campaign_mail(HTML, terms, LOGO, unshown), single_mail(terms, LOGO, unshown, html=HTML)):
        modern, _ = read(raw)
        body = ("multipart/related", ["text/html", "image/png"])
        assert tree(modern) == (
            "multipart/mixed",
            [("multipart/alternative", ["text/plain", body]), "application/pdf", "image/png"],
        )
        [picture] = [part for part in modern.walk() if part["Content-ID"] == "<logo@example.com>"]
        assert picture.get_content_disposition() == "inline"
        assert picture.get_payload(decode=True) == b"\x89PNG" + b"\x00" * 300


def test_a_mail_of_text_alone_carries_files_too() -> None:
    modern, _ = read(single_mail(LOGO))
    assert tree(modern) == ("multipart/mixed", ["text/plain", "image/png"])
    assert tree(read(single_mail())[0]) == "text/plain"
    assert tree(read(single_mail(text=None, html="<p>x</p>"))[0]) == "text/html"


def test_no_boundary_begins_another_and_each_ends() -> None:
    raw = campaign_mail(HTML, LOGO, File("a.txt", "text/plain", encode_file(b"--=_tidings_")))
    names = re.findall(rb'boundary="([^"]+)"', raw)
    assert len(set(names)) == 3
    for name in names:
        assert raw.count(b"\r\n--" + name + b"--\r\n") == 1
        assert not [other for other in names if other != name and other.startswith(name)]


def test_a_file_is_encoded_once_for_all_languages() -> None:
    encoded = encode_file(b"x" * 9000)
    contents = {language: Content("x", "<p>x</p>") for language in ("en", "fr")}
    file = File("x.txt", "text/plain", encoded)
    compiled = compile_message(contents, campaign=INFO, site=SITE, files=[file])
    for skeleton in compiled._languages.values():
        assert any(part is encoded for part in skeleton._parts)
