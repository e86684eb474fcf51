"""A preview is what the send makes, without its tracking."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from uuid import UUID

import pytest

from campaign_service.rendering import (
    CampaignInfo,
    Content,
    Recipient,
    Site,
    TemplateSyntaxError,
    compile_message,
    merge_variables,
    render_preview,
)

CONTENT = Content(
    "Hello {{ first_name }}",
    "<html><head><style>p {color: red}</style></head><body><p>Dear {{ first_name }}</p>"
    '<a href="https://a.example.com/x">x</a><a href="{{ unsubscribe_url }}">bye</a></body></html>',
)
ANNA = Recipient(UUID(int=3), "anna@example.com", first_name="Anna & Co\r\nBcc: x")


def variables() -> dict[str, object]:
    return merge_variables(ANNA, campaign_name="Spring", unsubscribe_url="https://t.example.com/u")


def test_a_preview_equals_the_mail_without_tracking() -> None:
    preview = render_preview(CONTENT, variables())
    site = Site.from_secret(
        "a secret of the tests", public_url="https://t.example.com", mail_domain="m.example.com"
    )
    info = CampaignInfo(UUID(int=1), UUID(int=2), "Spring", None, "news@example.com")
    raw = compile_message({"en": CONTENT}, campaign=info, site=site).render(ANNA)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("html",))
    assert body is not None
    untracked = re.sub(r"https://t\.example\.com/t/c/[^\"]+", "https://a.example.com/x", body.get_content())
    untracked = re.sub(r"https://t\.example\.com/t/u/[^\"]+", "https://t.example.com/u", untracked)
    seen = re.sub(r"<img [^>]*>", "", untracked)
    assert " ".join(seen.split()) == " ".join(preview.html.split())
    assert message["Subject"] == preview.subject == "Hello Anna & Co Bcc: x"
    assert (
        preview.text
        == "Dear Anna & Co\r\nBcc: x\n\nx <https://a.example.com/x>bye <https://t.example.com/u>\n"
    )
    assert preview.warnings == ()


def test_an_author_is_told_what_is_unwise() -> None:
    content = Content("{{ contact.nickname }}", "<p>{{ frist_name }}</p>" + "x" * 110_000, "plain")
    warnings = render_preview(content, variables()).warnings
    assert [warning.partition(":")[0].partition(" (")[0] for warning in warnings] == [
        "Unknown variable contact.nickname",
        "Unknown variable frist_name",
        "The HTML has no unsubscribe link",
        "The text has no unsubscribe link",
        "The HTML is larger than 102 kB",
    ]


def test_what_fails_for_one_person_is_a_warning() -> None:
    preview = render_preview(
        Content("x", '<p>{{ "a" | divided_by: 0 }}</p>{{ unsubscribe_url }}'), variables()
    )
    assert preview.html == ""
    assert any("cannot be made for this person" in warning for warning in preview.warnings)


def test_a_syntax_error_is_an_error_of_its_field() -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        render_preview(Content("x", "<p>{% if %}</p>"), variables())
    assert caught.value.field == "html"
