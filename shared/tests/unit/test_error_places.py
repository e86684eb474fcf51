"""Errors name the fields that a client has written, not what a model makes of them."""

from __future__ import annotations

from typing import Any

import pytest

from shared.web.places import place_in

RULES = {"definition": {"all": [{"field": "ville", "op": "eq", "value": "Lyon"}]}}


@pytest.mark.parametrize(
    ("location", "sent", "expected"),
    [
        (("name",), {"name": 1}, "name"),
        (("name",), {}, "name"),
        (("items", 1, "email"), {"items": [{}, {"email": "x"}]}, "items.1.email"),
        (("definition", "all", "all", 0, "field", "op"), RULES, "definition.all.0.op"),
        (("definition", "field", "value"), {"definition": {"field": "x"}}, "definition.value"),
        (("fields", "c", "constrained-str"), {"fields": {"c": [1]}}, "fields.c"),
        (("fields", "c", "list[constrained-str]", 0), {"fields": {"c": [1]}}, "fields.c.0"),
        (("to", 0, "function-after[_number(), str]"), {"to": ["06"]}, "to.0"),
        (("fields", "c", "bool"), {"fields": {"c": [1]}}, "fields.c"),
        (("a", 0), [], "a.0"),
        (("a", "b"), "text", "a.b"),
    ],
)
def test_the_place_is_one_that_was_sent(location: tuple[str | int, ...], sent: Any, expected: str) -> None:
    assert ".".join(place_in(location, sent)) == expected
