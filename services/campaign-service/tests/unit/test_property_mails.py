from typing import Any

import pytest

from campaign_service.messages.property_mails import PROPERTY_MAILS
from campaign_service.messages.service import builtin_template
from campaign_service.rendering import Preview, render_preview

BRAND = {
    "name": "Vallon & Fils",
    "color": "#6c63ff",
    "accent": "#8b84ff",
    "logo_url": "https://cdn.example.com/logo.png",
    "website": "https://vallon.example.com/",
}
HOUSE = {
    "address": "12 RUE DU <LAC>",
    "city": "Nantua",
    "type": "maison",
    "surface": 92,
    "rooms": 4,
    "price": "210 000 €",
    "sale_date": "3 mars 2019",
}
VARIABLES: dict[str, Any] = {
    "brand": BRAND,
    "name": "Zoé",
    "count": 2,
    "properties": [HOUSE, {"address": "LE BOURG", "city": "Izernore", "type": "terrain", "price": None}],
    "more": 0,
    "total_price": "210 000 €",
    "average_price": "210 000 €",
    "source": "DVF, DGFiP",
    "send_day": 31,
    "due_date": "28 février 2027",
    "cities": "Nantua, Izernore",
    "types": "maison",
    "window": "du 1er mars 2019 au 1er mars 2021",
    "client_name": "Zoé Vallon",
    "client_id": "0190",
    "client_email": "zoe@example.com",
    "wanted": 10,
    "found": 0,
    "job_id": "0191",
    "job_type": "client.process",
    "attempts": 3,
    "error": "TimeoutError: <too slow>",
    "failed_at": "1er mars 2027",
}


def rendered(name: str, language: str, **more: Any) -> Preview:
    chosen = builtin_template(name, language)
    assert chosen is not None
    return render_preview(chosen.content, VARIABLES | more)


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("name", sorted(PROPERTY_MAILS))
def test_every_mail_is_made_in_both_languages_and_both_parts(name: str, language: str) -> None:
    mail = rendered(name, language)
    assert not [warning for warning in mail.warnings if "cannot be made" in warning or "inlined" in warning]
    assert "Vallon & Fils" in mail.subject
    assert f'lang="{language}"' in mail.html
    assert 'alt="Vallon &amp; Fils"' in mail.html
    assert "@media (max-width: 600px)" in mail.html
    assert 'name="viewport"' in mail.html
    assert "#6c63ff" in mail.html
    assert "DVF, DGFiP" in mail.html
    assert "DVF, DGFiP" in mail.text
    for part in (mail.subject, mail.html, mail.text):
        assert "{{" not in part
        assert "{%" not in part
    assert "<" not in mail.text.replace("<LAC>", "").replace("<too slow>", "")


@pytest.mark.parametrize(
    ("language", "words"), [("fr", "Prix non disponible"), ("en", "Price not available"), ("de", "Price not")]
)
def test_a_price_that_is_not_known_is_said_so(language: str, words: str) -> None:
    mail = rendered("property.client_notification", language)
    assert mail.html.count(words) == 1
    assert mail.text.count(words) == 1
    assert "210 000 €" in mail.text


def test_addresses_are_escaped_in_html_and_plain_in_text() -> None:
    mail = rendered("property.client_notification", "fr")
    assert "12 RUE DU &lt;LAC&gt;" in mail.html
    assert "12 RUE DU <LAC>, Nantua: maison, 92 m², 4 pièce(s)" in mail.text
    assert "LE BOURG, Izernore: terrain, Prix non disponible" in mail.text
    assert "\n\n\n" not in mail.text
    assert [line[:12] for line in mail.text.splitlines() if "RUE DU" in line or "BOURG" in line] == [
        "- 12 RUE DU ",
        "- LE BOURG, ",
    ]


@pytest.mark.parametrize(
    ("language", "count", "subject"),
    [
        ("fr", 1, "Vallon & Fils : 1 nouvelle propriété pour vous"),
        ("fr", 12, "Vallon & Fils : 12 nouvelles propriétés pour vous"),
        ("en", 1, "Vallon & Fils: 1 new property for you"),
        ("en", 12, "Vallon & Fils: 12 new properties for you"),
    ],
)
def test_the_subject_counts_in_words_that_agree(language: str, count: int, subject: str) -> None:
    assert rendered("property.client_notification", language, count=count).subject == subject


def test_a_brand_without_logo_or_website_shows_its_name_and_no_link() -> None:
    bare = BRAND | {"logo_url": None, "website": None}
    mail = rendered("property.welcome", "en", brand=bare)
    assert "<img" not in mail.html
    assert "<a " not in mail.html
    assert "Vallon &amp; Fils" in mail.html


def test_a_script_as_website_or_colour_does_nothing() -> None:
    evil = BRAND | {"website": "javascript:alert(1)", "color": "red;background:url(//x.test)"}
    mail = rendered("property.welcome", "en", brand=evil)
    assert "javascript:" not in mail.html
    assert "url(" not in mail.html
