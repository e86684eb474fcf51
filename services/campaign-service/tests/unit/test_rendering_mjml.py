"""MJML: Liquid comes through untouched wherever it may stand; mistakes name their line."""

from __future__ import annotations

from uuid import UUID

import pytest

from campaign_service.rendering import (
    Content,
    Recipient,
    TemplateSyntaxError,
    merge_variables,
    render_preview,
)
from campaign_service.rendering.mjml import compile_mjml

LETTER = """<mjml>
<mj-head><mj-title>For {{ first_name }}</mj-title><mj-style>.note { color: #ff0000 }</mj-style></mj-head>
<mj-body>
{% if contact.country == "FR" %}
<mj-section><mj-column>
  {% for n in (1..3) %}
  <mj-text>Line {{ n }} <b>for</b> {{ first_name | default: "you" }}<br/>&amp; more</mj-text>
  {% endfor %}
  <mj-button href="https://shop.example.com/?name={{ first_name }}">Go</mj-button>
</mj-column></mj-section>
{% endif %}
<mj-section><mj-column>
<mj-text><p class="note">Bye. <a href="{{ unsubscribe_url }}">leave</a></p></mj-text>
</mj-column></mj-section>
</mj-body></mjml>"""


def letter_for(country: str) -> str:
    person = Recipient(UUID(int=1), "zoe@example.com", first_name="Zoé & Co", country=country)
    variables = merge_variables(person, campaign_name="c", unsubscribe_url="https://t.example.com/u")
    return render_preview(Content("s", compile_mjml(LETTER)), variables).html


def test_liquid_between_within_and_inside_attributes_of_elements_is_kept() -> None:
    french = letter_for("FR")
    assert [f"Line {n} <b>for</b> Zoé &amp; Co" in french for n in (1, 2, 3, 4)] == [True, True, True, False]
    assert "https://shop.example.com/?name=Zo%C3%A9%20%26%20Co" in french.replace("&amp;", "%26").replace(
        "+", "%20"
    )
    assert 'href="https://t.example.com/u"' in french
    german = letter_for("DE")
    assert "Line" not in german
    assert "Bye." in german


def test_css_of_the_letter_is_inlined_after_it_was_compiled() -> None:
    assert 'color: #ff0000;">Bye.' in letter_for("DE")


def test_nothing_is_loaded_from_elsewhere() -> None:
    compiled = compile_mjml(LETTER)
    assert "fonts.googleapis" not in compiled
    assert "@import" not in compiled


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("<mjml><mj-body>\n\n<mj-sectin></mj-sectin></mj-body></mjml>", 3),
        ("<mjml>\n<mj-body>\n<mj-section>\n</mj-body></mjml>", 4),
        ("<mjml>\n<mj-body>\n", 2),
        ("{% comment %}\n\n{% endcomment %}\n<p>no letter</p>", 4),
        ("<mjml><mj-body>\n<mj-include path='/etc/passwd'/></mj-body></mjml>", 2),
        (
            "<mjml>\n<mj-body><mj-section>\n<mj-column {{ code }}></mj-column></mj-section></mj-body></mjml>",
            3,
        ),
        ("<mjml>\n<mj-body>{{ first_name | nonsense }}</mj-body></mjml>", 2),
        ("<mjml><mj-body><mj-raw>\n" + "<div>" * 200 + "</div>" * 200 + "</mj-raw></mj-body></mjml>", 2),
        ("", 1),
    ],
)
def test_a_mistake_is_named_with_its_line(source: str, line: int) -> None:
    with pytest.raises(TemplateSyntaxError) as raised:
        compile_mjml(source)
    assert raised.value.field == "mjml"
    assert (raised.value.details or {})["line"] == line
