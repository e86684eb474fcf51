"""Errors name the fields that a client has written, not what a model makes of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Discriminator, Field, Tag, TypeAdapter
from pydantic import ValidationError as WrongShape

from shared.web.errors import from_validation
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


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


@pytest.mark.parametrize(
    ("sent", "words"), [({}, "required"), ({"kind": "cow"}, "one of 'cat', 'dog'")], ids=["none", "unknown"]
)
def test_a_kind_that_is_not_said_or_not_known_is_named(sent: dict[str, Any], words: str) -> None:
    pet: TypeAdapter[Any] = TypeAdapter(Annotated[Cat | Dog, Field(discriminator="kind")])
    with pytest.raises(WrongShape) as failure:
        pet.validate_python(sent)
    error = from_validation([{**problem, "loc": ("body",)} for problem in failure.value.errors()], sent)
    assert error.field == "kind"
    assert words in error.message


def test_what_is_of_no_kind_is_said_to_be() -> None:
    kinds = Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")]
    pet: TypeAdapter[Any] = TypeAdapter(Annotated[kinds, Discriminator(lambda _: None)])
    with pytest.raises(WrongShape) as failure:
        pet.validate_python({})
    error = from_validation([{**problem, "loc": ("body", "pet")} for problem in failure.value.errors()], {})
    assert (error.field, error.message) == ("pet", "pet: Not of a known kind")
