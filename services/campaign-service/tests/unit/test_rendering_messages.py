"""Whole messages: what a mail program reads out of them."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest

from campaign_service.rendering import (
    CampaignInfo,
    CompiledCampaign,
    Content,
    Recipient,
    RenderError,
    Site,
    TemplateSyntaxError,
    compile_message,
)
from shared.errors import ValidationError

SITE = Site.from_secret(
    "a secret of the tests", public_url="https://t.example.com/", mail_domain="m.example.com"
)
CAMPAIGN = CampaignInfo(
    UUID(int=1), UUID(int=2), "Spring", "Café Zoë", "news@example.com", "reply@example.com", "en"
)
CONTACT = UUID(int=3)
TOKEN = SITE.token(CAMPAIGN.tenant_id, CAMPAIGN.id, CONTACT)


def compiled(html: str, subject: str = "Hello", text: str | None = None) -> CompiledCampaign:
    return compile_message({"en": Content(subject, html, text)}, campaign=CAMPAIGN, site=SITE)


def mail(source: CompiledCampaign, **fields: Any) -> EmailMessage:
    fields.setdefault("email", "anna@example.com")
    raw = source.render(Recipient(CONTACT, **fields))
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def html_of(source: str, **fields: Any) -> str:
    return part(mail(compiled(source), **fields), "html")


def test_the_link_that_no_person_sees_is_there_only_when_wanted() -> None:
    contents = {"en": Content("Hello", "<body><p>Hi</p></body>", None)}
    trapped = compile_message(contents, campaign=replace(CAMPAIGN, has_link_trap=True), site=SITE)
    html = part(mail(trapped), "html")
    assert f'href="https://t.example.com/t/h/{TOKEN}"' in html
    assert "display:none" in html
    assert "/t/h/" not in part(mail(trapped), "plain")
    assert "/t/h/" not in html_of("<body><p>Hi</p></body>")
    assert trapped.links == []


def test_merge_variables_reach_subject_html_and_text() -> None:
    source = compiled(
        "<p>{{ contact.first_name }} {{ last_name }} {{ contact.custom.city }}</p>", "Dear {{ first_name }}"
    )
    message = mail(source, first_name="Zoë", last_name="Müller", custom={"city": "Bâle"})
    assert message["Subject"] == "Dear Zoë"
    assert "Zoë Müller Bâle" in part(message, "html")
    assert part(message, "plain").strip() == "Zoë Müller Bâle"


def test_an_unknown_variable_stays_empty() -> None:
    assert "<p>[]</p>" in html_of("<p>[{{ nothing.at.all }}]</p>")


def test_html_is_escaped_and_text_is_not() -> None:
    message = mail(compiled("<p>{{ first_name }}</p>"), first_name="<b>&")
    assert "&lt;b&gt;&amp;" in part(message, "html")
    assert part(message, "plain").strip() == "<b>&"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "JAVA\tSCRIPT:x", "data:text/html,x", " vbscript:x"])
def test_a_merged_address_cannot_run_anything(url: str) -> None:
    rendered = html_of('<a href="{{ contact.custom.url }}">x</a>', custom={"url": url})
    assert '<a href="#">' in rendered


def test_a_merged_value_cannot_leave_its_place_in_an_address() -> None:
    rendered = html_of(
        '<a href="https://x.example.com/?q={{ first_name }}&b=1">x</a>', first_name='a&b="c" d'
    )
    assert 'href="https://x.example.com/?q=a%26b%3D%22c%22%20d&b=1"' in rendered


def test_a_bare_attribute_with_a_variable_is_quoted() -> None:
    rendered = html_of("<img alt={{ first_name }} src=x.png>", first_name="a onerror=b")
    assert '<img alt="a onerror=b" src=x.png>' in rendered


def test_a_value_in_css_cannot_end_its_declaration() -> None:
    rendered = html_of(
        '<p style="color: {{ contact.custom.c }}">x</p>', custom={"c": "red; background: url(x)"}
    )
    assert 'style="color: red background urlx"' in rendered


def test_links_are_tracked_by_index_and_the_same_address_once() -> None:
    source = compiled(
        '<a href="https://a.example.com/?x=1&amp;y=2">A</a> <a href=https://b.example.com>B</a>'
        "<a href='https://a.example.com/?x=1&amp;y=2'>again</a>"
        '<a href="mailto:x@example.com">m</a><a href="#top">t</a><link href="https://c.example.com/x.css">'
    )
    assert source.links == ["https://a.example.com/?x=1&y=2", "https://b.example.com"]
    rendered = part(mail(source), "html")
    assert re.findall(r"https://t\.example\.com/t/c/([^\"']+)", rendered) == [
        f"{TOKEN}.0",
        f"{TOKEN}.1",
        f"{TOKEN}.0",
    ]
    assert 'href="mailto:x@example.com"' in rendered
    assert 'href="https://c.example.com/x.css"' in rendered


def test_links_in_outlooks_conditional_comments_are_tracked() -> None:
    source = compiled(
        '<!--[if mso]><v:rect href="https://a.example.com/b"></v:rect><![endif]-->'
        '<!-- <a href="https://no.example.com"> -->'
    )
    assert source.links == ["https://a.example.com/b"]


def test_a_link_with_a_variable_is_left_alone_and_the_author_told() -> None:
    source = compiled('<a href="https://a.example.com/{{ first_name }}">A</a>')
    assert source.links == []
    assert source.warnings == [
        "The link https://a.example.com/{{ first_name }} contains merge variables and is not tracked"
    ]


def test_the_unsubscribe_link_is_neither_tracked_nor_changed() -> None:
    source = compiled('<a href="{{ unsubscribe_url }}">bye</a>')
    assert f'href="https://t.example.com/t/u/{TOKEN}"' in part(mail(source), "html")
    assert f"<https://t.example.com/t/u/{TOKEN}>" in part(mail(source), "plain")
    assert source.links == []


def test_links_of_a_written_text_part_are_tracked_too() -> None:
    source = compiled("<p>x</p>", text="See https://a.example.com/x. And (https://b.example.com/(y)).")
    assert source.links == ["https://a.example.com/x", "https://b.example.com/(y)"]
    assert f"See https://t.example.com/t/c/{TOKEN}.0. And (https://t.example.com/t/c/{TOKEN}.1)." in part(
        mail(source), "plain"
    )


def test_languages_share_one_link_table_and_a_frozen_table_grows_no_more() -> None:
    contents = {
        "en": Content("x", '<a href="https://a.example.com">a</a>'),
        "fr": Content("x", '<a href="https://b.example.com">b</a><a href="https://a.example.com">a</a>'),
    }
    first = compile_message(contents, campaign=CAMPAIGN, site=SITE)
    assert first.links == ["https://a.example.com", "https://b.example.com"]
    again = compile_message(contents, campaign=CAMPAIGN, site=SITE, links=first.links[:1])
    rendered = part(mail(again, language="fr"), "html")
    assert f"/t/c/{TOKEN}.0" in rendered
    assert 'href="https://b.example.com"' in rendered


def test_the_pixel_stands_before_the_end_of_the_body() -> None:
    rendered = html_of("<html><body><p>x</p></BODY></html>")
    assert re.search(rf'<img src="https://t\.example\.com/t/o/{TOKEN}"[^>]*></BODY>', rendered)


def test_css_is_inlined_around_liquid_and_media_queries_stay() -> None:
    source = compiled(
        "<html><head><style>td {color: red} @media (max-width: 9px) {td {color: blue}}</style></head>"
        "<body><table>{% for n in contact.custom.rows %}<tr><td>{{ n }}</td></tr>{% endfor %}</table>"
    )
    rendered = part(mail(source, custom={"rows": [1, 2]}), "html")
    assert re.findall(r'<tr><td style="color: red;">(\d)</td></tr>', rendered) == ["1", "2"]
    assert "@media (max-width: 9px)" in rendered


def test_liquid_tags_work_and_their_limits_hold() -> None:
    assert "<p>many</p>" in html_of("<p>{% if contact.custom.n > 3 %}many{% endif %}</p>", custom={"n": 4})
    with pytest.raises(RenderError):
        html_of("{% for i in (1..200000) %}x{% endfor %}")
    with pytest.raises(RenderError):
        html_of('{{ "ab" | replace: "", contact.custom.x }}', custom={"x": "y" * 400_000})
    with pytest.raises(RenderError):
        html_of('{{ (1..90000000) | join: "-" }}')


@pytest.mark.parametrize(
    ("field", "content", "line"),
    [
        ("html", Content("x", "<p>\n\n{{ a | nofilter }}</p>"), 3),
        ("html", Content("x", "<p>{% include 'x' %}</p>"), 1),
        ("subject", Content("{{ broken", "<p></p>"), 1),
        ("text", Content("x", "<p></p>", "a\n{% if %}"), 2),
        ("html", Content("x", "<p>\n{% if a %}\nnever closed"), 3),
    ],
)
def test_a_syntax_error_names_field_and_line(field: str, content: Content, line: int) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        compile_message({"en": content}, campaign=CAMPAIGN, site=SITE)
    assert caught.value.field == field
    assert caught.value.details is not None
    assert caught.value.details["line"] == line


def test_headers_of_bulk_mail() -> None:
    message = mail(compiled("<p>x</p>"), first_name="Anna", last_name='O"Neil')
    ref = SITE.refs.make(CAMPAIGN.id, CONTACT, 0)
    assert message["From"] == "Café Zoë <news@example.com>"
    assert message["To"].addresses[0].display_name == 'Anna O"Neil'
    assert message["Reply-To"] == "reply@example.com"
    assert message["Message-ID"] == f"<{ref}@m.example.com>"
    assert message["X-Envid"] == ref
    assert message["X-Job"] == message["X-Campaign-Id"] == str(CAMPAIGN.id)
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Unsubscribe"] == (
        f"<https://t.example.com/t/u/{TOKEN}>, <mailto:u-{ref}@m.example.com?subject=unsubscribe>"
    )
    assert re.fullmatch(r"[^:]+:[^:]+:bulk:[a-z0-9]{5,15}", message["Feedback-ID"])
    assert message["X-Tidings-Repeat"] is None


def test_a_repeat_says_so_and_keeps_its_message_id() -> None:
    source = compiled("<p>x</p>")
    first, again = mail(source), mail(source, repeat=2)
    assert again["X-Tidings-Repeat"] == "2"
    assert again["Message-ID"] == first["Message-ID"]


def test_the_envelope_has_a_bounce_address_of_this_mail() -> None:
    envelope = compiled("<p>x</p>").mail(Recipient(CONTACT, "anna@bücher.example"))
    subject = SITE.refs.read_address(envelope.sender)
    assert subject is not None
    assert (subject.campaign_id, subject.contact_id) == (CAMPAIGN.id, CONTACT)
    assert envelope.recipient == "anna@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "address",
    ["a b@example.com", "a@example.com\r\nRCPT TO:<x@y>", "ün ï@example.com", "ü\u2028@example.com", "a>b@x"],
)
def test_an_address_that_could_break_the_dialogue_is_refused(address: str) -> None:
    with pytest.raises(RenderError):
        compiled("<p>x</p>").mail(Recipient(CONTACT, address))


def test_a_campaign_with_an_unusable_sender_does_not_compile() -> None:
    info = CampaignInfo(UUID(int=1), UUID(int=2), "x", None, "not an address")
    with pytest.raises(ValidationError):
        compile_message({"en": Content("x", "<p></p>")}, campaign=info, site=SITE)


def test_the_language_falls_back_to_its_base_and_then_to_the_default() -> None:
    contents = {"en": Content("en", "<p></p>"), "fr": Content("fr", "<p></p>")}
    source = compile_message(contents, campaign=CAMPAIGN, site=SITE)
    assert [mail(source, language=name)["Subject"] for name in ("fr-CH", "de", "en")] == ["fr", "en", "en"]


def test_text_made_from_html_keeps_structure() -> None:
    message = mail(
        compiled(
            "<head><title>no</title></head><h1>Hi &amp; bye</h1><p>one<br>two</p><ul><li>a<li>b</ul>"
            '<p>Go <a href="tel:+41">call</a></p>'
        )
    )
    assert part(message, "plain") == "Hi & bye\n\none\ntwo\n\n- a\n- b\n\nGo call <tel:+41>\n"


def test_no_line_is_longer_than_mail_allows() -> None:
    source = compiled(
        "<p>" + "wörd " * 400 + "{{ first_name }}" + "x" * 3000 + "</p>", "S " * 200 + "{{ first_name }}"
    )
    raw = source.render(Recipient(CONTACT, "anna@example.com", first_name="é" * 500))
    head, _, body = raw.partition(b"\r\n\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert max(map(len, head.split(b"\r\n"))) <= 200
    assert b"\n" not in raw.replace(b"\r\n", b"")
