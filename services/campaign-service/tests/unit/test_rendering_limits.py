"""Templates that ask for too much end early, and everywhere at the same place."""

from __future__ import annotations

import pytest

from campaign_service.rendering import Content, TemplateSyntaxError, check_limits, render_preview
from campaign_service.rendering.liquid_env import Part, parse, render
from campaign_service.rendering.model import RenderLimitError

LONG_LIST = "{% assign a = (1..9999) | sort %}"
GREEDY = [
    "{% for i in (1..1000000000) %}x{% endfor %}",
    "{% for i in (1..1000000000) reversed %}x{% endfor %}",
    "{% for i in (1..10000000000) offset: 9999999990 %}x{% endfor %}",
    "{% assign n = 1000000000 %}{% for i in (1..n) limit: 3 %}x{% endfor %}",
    "{% tablerow i in (1..1000000000) %}x{% endtablerow %}",
    "{% for i in (1..9999) %}{% for j in (1..9999) %}x{% endfor %}{% endfor %}",
    "{% for i in (1..99) %}{% for j in (1..99) %}{% for k in (1..99) %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for i in (1..9999) %}{% endfor %}" * 2,
    "{% for i in (1..9999) %}" + "{{ nothing }}" * 2000 + "{% endfor %}",
    "{% for i in (1..9999) %}" + "x" * 300 + "{% endfor %}",
    "{% assign r = (1..1000000000) %}{% if r contains 'x' %}{% endif %}",
    "{{ (1..90000000) | join: '-' }}",
    "{% assign n = 9 %}{% for i in (1..60) %}{% assign n = n | times: n %}{% endfor %}{{ n }}",
    "{% assign s = 'aaaaaaaaaa' %}{% for i in (1..60) %}{% assign s = s | append: s %}{% endfor %}",
    "{% capture s %}aaaaaaaaaa{% endcapture %}" + "{% capture s %}{{ s }}{{ s }}{% endcapture %}" * 60,
    LONG_LIST + "{% for i in (1..60) %}{% assign a = a | concat: a %}{% endfor %}",
    LONG_LIST + "{{ a" + " | concat: a" * 200 + " }}",
    LONG_LIST + "{% assign b = a | uniq %}",
    LONG_LIST + "{% for i in (1..9999) %}{% assign b = a | sort %}{% endfor %}",
    "{% for i in (1..9999) %}{{ 'now' | date: '%Y' }}{% endfor %}",
]


@pytest.mark.parametrize("part", ["html", "text"])
@pytest.mark.parametrize("source", GREEDY)
def test_what_asks_for_too_much_is_stopped(source: str, part: Part) -> None:
    with pytest.raises(RenderLimitError):
        render(parse(source, part, "html"), {})


@pytest.mark.parametrize("source", GREEDY)
def test_it_is_refused_when_it_is_stored(source: str) -> None:
    with pytest.raises(TemplateSyntaxError, match="asks for too much") as caught:
        check_limits(Content("x", source))
    assert caught.value.field == "html"


def test_what_fails_for_somebody_alone_is_stored() -> None:
    content = Content("x", "<p>{{ 'a' | divided_by: contact.custom.n }}</p>")
    check_limits(content)
    assert any("cannot be made" in warning for warning in render_preview(content, {}).warnings)


def test_a_template_has_so_many_tags_at_most() -> None:
    with pytest.raises(TemplateSyntaxError, match="more than 5000"):
        parse("{{ a }}x" * 3000, "html", "html")


def test_an_ordinary_long_template_is_made() -> None:
    rows = (
        "{% for row in contact.custom.rows %}<tr>" + "<td>{{ row | upcase }}</td>" * 20 + "</tr>{% endfor %}"
    )
    person = {"contact": {"custom": {"rows": ["é" * 20] * 500}}}
    made = render(parse(rows, "html", "html"), person)
    assert made.count("É" * 20) == 500 * 20
    assert render(parse("{% for i in (1..3) %}{{ i }}{% endfor %}", "text", "text"), {}) == "123"
