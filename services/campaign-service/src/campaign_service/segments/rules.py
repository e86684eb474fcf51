"""The tree of a segment's rules, as it is sent and kept.

Each node is told by the key that only it has: `all`, `any`, `not`, `tags_all`/`tags_any`/`exclude_tags`,
`field`, `custom`, `event`, `date`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from campaign_service.contacts.types import CustomKey, Slugs, Text

FieldName = Literal[
    "email",
    "phone",
    "first_name",
    "last_name",
    "language",
    "country",
    "time_zone",
    "category",
    "status",
    "validation_status",
]
Operator = Literal["is", "is_not", "contains", "starts_with", "is_set", "is_empty"]
Comparison = Literal[Operator, "greater", "less"]
_DAY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_MOST_NODES = 100
_MOST_LEVELS = 10


class _Node(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, populate_by_name=True)


class AllOf(_Node):
    """Every rule holds."""

    all: Annotated[list[Rule], Field(min_length=1, max_length=50)]


class AnyOf(_Node):
    """At least one rule holds."""

    any: Annotated[list[Rule], Field(min_length=1, max_length=50)]


class Not(_Node):
    """The rule does not hold."""

    not_: Rule = Field(alias="not")


class Tags(_Node):
    """All of some tags, any of some, none of some."""

    tags_all: Slugs = Field(default_factory=list)
    tags_any: Slugs = Field(default_factory=list)
    exclude_tags: Slugs = Field(default_factory=list)


def _is_day(value: Any) -> bool:
    return isinstance(value, str) and _DAY.fullmatch(value) is not None


class _Valued(_Node):
    """`is` with a list is any of them. Upper and lower case are one for `contains` and `starts_with`."""

    op: Comparison = "is"
    value: Text | bool | float | Annotated[list[Text], Field(min_length=1, max_length=1000)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> _Valued:
        needs_none = self.op in ("is_set", "is_empty")
        if needs_none != (self.value is None):
            raise ValueError(f"{self.op} takes {'no' if needs_none else 'a'} value")
        if self.op in ("contains", "starts_with") and not isinstance(self.value, str):
            raise ValueError(f"{self.op} takes a text")
        if self.op in ("greater", "less") and not (isinstance(self.value, float) or _is_day(self.value)):
            raise ValueError(f"{self.op} takes a number, or a date such as 2026-03-01")
        return self


class OfField(_Valued):
    """A field of the contact."""

    field: FieldName
    op: Operator = "is"
    value: Text | Annotated[list[Text], Field(min_length=1, max_length=1000)] | None = None


class OfCustom(_Valued):
    """A custom field, compared as its type wants; without a definition as the value does.

    A date that is `greater` is later.
    """

    custom: CustomKey


class Happened(_Node):
    """What came back of mails: opens and clicks are those of people. `happened: false` is that it did not."""

    event: Literal["sent", "delivered", "opened", "clicked", "bounced", "complained", "unsubscribed"]
    within_days: Annotated[int, Field(ge=1, le=3650)] = 90
    happened: bool = True


class Between(_Node):
    """A moment of the contact from `after` on, until before `before`, or within so many days before now."""

    date: Literal["created_at", "updated_at", "validated_at"]
    after: AwareDatetime | None = None
    before: AwareDatetime | None = None
    within_days: Annotated[int, Field(ge=1, le=36500)] | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Between:
        if self.after is None and self.before is None and self.within_days is None:
            raise ValueError("after, before or within_days is required")
        return self


_KINDS: dict[str, type[_Node]] = {
    "all": AllOf,
    "any": AnyOf,
    "not": Not,
    "tags": Tags,
    "field": OfField,
    "custom": OfCustom,
    "event": Happened,
    "date": Between,
}


def _kind(value: Any) -> str | None:
    if isinstance(value, _Node):
        return next(name for name, kind in _KINDS.items() if type(value) is kind)
    if isinstance(value, Mapping):
        if {"tags_all", "tags_any", "exclude_tags"} & value.keys():
            return "tags"
        return next((name for name in _KINDS if name in value), None)
    return None


Rule: TypeAlias = Annotated[
    Annotated[AllOf, Tag("all")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[Not, Tag("not")]
    | Annotated[Tags, Tag("tags")]
    | Annotated[OfField, Tag("field")]
    | Annotated[OfCustom, Tag("custom")]
    | Annotated[Happened, Tag("event")]
    | Annotated[Between, Tag("date")],
    Discriminator(_kind),
]


def nodes(rule: Rule, level: int = 1) -> Iterator[tuple[_Node, int]]:
    """Every node of the tree with its level, the root's being 1."""
    yield rule, level
    below = rule.all if isinstance(rule, AllOf) else rule.any if isinstance(rule, AnyOf) else []
    for child in [rule.not_] if isinstance(rule, Not) else below:
        yield from nodes(child, level + 1)


def _bounded(rule: Rule) -> Rule:
    found = list(nodes(rule))
    if len(found) > _MOST_NODES or max(level for _, level in found) > _MOST_LEVELS:
        raise ValueError(f"more than {_MOST_NODES} rules, or more than {_MOST_LEVELS} levels")
    return rule


#: A whole tree, of bounded size.
Definition = Annotated[Rule, AfterValidator(_bounded)]

for _model in (AllOf, AnyOf, Not):
    _model.model_rebuild()
