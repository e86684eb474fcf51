"""Files reach providers that take no whole mails, each in its own form."""

from __future__ import annotations

import base64
import json
from uuid import UUID

from campaign_service.channels.messenger import MessengerApi
from campaign_service.channels.model import Provider
from campaign_service.channels.transactional import MailWizzApi
from campaign_service.rendering import Content, File, Recipient, compile_message, encode_file

from .test_rendering_mime import INFO, SITE

PDF = b"%PDF-1.7 " + bytes(range(256))
FILES = [
    File("Preise für Zoë.pdf", "application/pdf", encode_file(PDF)),
    File("logo.png", "image/png", encode_file(b"\x89PNG"), "logo"),
]
MAIL = compile_message(
    {"en": Content("Hi", '<img src="cid:logo">')}, campaign=INFO, site=SITE, files=FILES
).mail(Recipient(UUID(int=3), "anna@example.com"))


def provider(kind: str) -> Provider:
    address = {"url": "https://x.example.com"}
    return Provider(UUID(int=1), UUID(int=2), "p", kind, address, "secret")  # type: ignore[arg-type]


def test_a_messenger_gets_them_as_json() -> None:
    request = MessengerApi(provider("messenger"), SITE.refs).request(MAIL)
    assert isinstance(request.data, bytes)
    found = {file.pop("name"): file for file in json.loads(request.data)["attachments"]}
    encoded = base64.b64encode(PDF).decode()
    assert found == {
        "Preise für Zoë.pdf": {"type": "application/pdf", "content": encoded, "content_id": None},
        "logo.png": {"type": "image/png", "content": "iVBORw==", "content_id": "logo"},
    }


def test_mailwizz_gets_them_as_fields() -> None:
    form = MailWizzApi(provider("mailwizz"), SITE.refs).request(MAIL).data
    assert isinstance(form, list)
    fields = dict(form)
    shown = {name: text for name, text in fields.items() if "attachments" in name}
    assert len(shown) == 6
    assert shown["email[attachments][0][name]"] == "logo.png"
    assert shown["email[attachments][1][type]"] == "application/pdf"
    assert base64.b64decode(shown["email[attachments][1][data]"]) == PDF
