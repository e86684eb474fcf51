"""What defined custom fields take."""

from __future__ import annotations

from typing import Any

import pytest

from campaign_service.contacts.definitions.values import FieldValueError, Rule, Rules

GOOD: list[tuple[str, Any, Any]] = [
    ("number", "42", 42),
    ("number", " -7.50 ", -7.5),
    ("number", "007", 7),
    ("number", "1e3", 1000.0),
    ("number", 2.5, 2.5),
    ("boolean", "Yes", True),
    ("boolean", "0", False),
    ("boolean", False, False),
    ("boolean", 1, True),
    ("date", "2026-03-01", "2026-03-01"),
    ("date", "2026-03-01T10:00:00Z", "2026-03-01"),
    ("choice", " GOLD ", "Gold"),
    ("text", 5, "5"),
    ("text", True, "true"),
]
BAD: list[tuple[str, Any]] = [
    ("number", "12,5"),
    ("number", "1_000"),
    ("number", "nan"),
    ("number", "1e999"),
    ("number", float("inf")),
    ("number", 10**400),
    ("number", -(2**63)),
    ("number", True),
    ("number", ["1"]),
    ("boolean", "maybe"),
    ("boolean", 2),
    ("date", "01/03/2026"),
    ("date", "2026-02-30"),
    ("date", "2026-03-01x"),
    ("date", 20260301),
    ("choice", "bronze"),
    ("choice", 1),
    ("text", ["a"]),
]


def rule(kind: Any) -> Rule:
    return Rule(kind, ("Gold", "Silver") if kind == "choice" else ())


@pytest.mark.parametrize(("kind", "given", "kept"), GOOD)
def test_a_value_is_kept_in_one_form(kind: str, given: Any, kept: Any) -> None:
    read = rule(kind).read(given)
    assert (read, type(read)) == (kept, type(kept))
    assert rule(kind).read(read) == kept


@pytest.mark.parametrize(("kind", "given"), BAD)
def test_what_does_not_fit_is_refused(kind: str, given: Any) -> None:
    with pytest.raises(FieldValueError):
        rule(kind).read(given)


def test_rules_are_the_same_in_the_program_that_reads_files() -> None:
    rules = Rules({"plan": rule("choice"), "age": rule("number")}, {"years": "age"}, is_strict=True)
    assert Rules.of_json(rules.as_json()) == rules
    assert rules.refused(["plan", "color", "sms_marketing_consent"]) == ["color"]
