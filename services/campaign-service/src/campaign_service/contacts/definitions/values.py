"""Values of defined custom fields: what is accepted, and how it is kept.

Nothing but the standard library: the program that reads uploaded files uses it too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

FieldType = Literal["text", "number", "boolean", "date", "choice"]
#: What the product itself writes and reads; a strict tenant need not define it.
PRODUCT_KEYS = frozenset(
    {
        "consent_source",
        "sms_marketing_consent",
        "sms_marketing_timestamp",
        "sms_transactional_consent",
        "sms_transactional_timestamp",
    }
)
# What JSON in the database holds as it is; a larger one may not even be a float.
_LARGEST = 2**63 - 1
_WHOLE = re.compile(r"[+-]?\d{1,15}")
_NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d{1,15})?|\.\d{1,15})([eE][+-]?\d{1,2})?")
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})([T ]\d{2}:\d{2}.{0,30})?")
_TRUE = frozenset({"true", "yes", "y", "1", "on"})
_FALSE = frozenset({"false", "no", "n", "0", "off"})


class FieldValueError(ValueError):
    """A value that the field does not take; `str()` says what it takes."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one field takes; `choices` are for a choice alone."""

    type: FieldType
    choices: tuple[str, ...] = ()

    def read(self, value: Any) -> str | int | float | bool:
        """The value as it is kept, also from its text. Raises FieldValueError.

        Numbers have a decimal point, dates are 2026-03-01 (a time behind them is dropped), and a choice is
        found in spite of upper and lower case.
        """
        match self.type:
            case "number":
                return _number(value)
            case "boolean":
                return _boolean(value)
            case "date":
                return _date(value)
            case "choice":
                return self._choice(value)
            case "text":
                return _text(value)

    def _choice(self, value: Any) -> str:
        wanted = value.strip().casefold() if isinstance(value, str) else None
        for choice in self.choices:
            if choice.casefold() == wanted:
                return choice
        raise FieldValueError(f"takes one of: {', '.join(self.choices[:20])}")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise FieldValueError("takes a text")


def _number(value: Any) -> int | float:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = int(value) if _WHOLE.fullmatch(value.strip()) else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FieldValueError("takes a number, such as 1234.5")
    if abs(value) > _LARGEST if isinstance(value, int) else not math.isfinite(value):
        raise FieldValueError("takes a number, such as 1234.5")
    return value


def _boolean(value: Any) -> bool:
    text = str(value).strip().casefold() if isinstance(value, str | int) else ""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise FieldValueError("takes true or false")


def _date(value: Any) -> str:
    found = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        return date.fromisoformat(found[1] if found else "").isoformat()
    except ValueError:
        raise FieldValueError("takes a date, such as 2026-03-01") from None


@dataclass(frozen=True, slots=True)
class Rules:
    """A tenant's definitions by key. `names` has the keys by what else a column may be called."""

    fields: Mapping[str, Rule] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    is_strict: bool = False

    def takes(self, key: str) -> bool:
        """Whether contacts may have the field."""
        return not self.is_strict or key in self.fields or key in PRODUCT_KEYS

    def refused(self, keys: Collection[str]) -> list[str]:
        """Those of `keys` that contacts may not have."""
        return sorted(key for key in keys if not self.takes(key))

    def as_json(self) -> dict[str, Any]:
        """For the program that reads files."""
        fields = {key: [rule.type, list(rule.choices)] for key, rule in self.fields.items()}
        return {"fields": fields, "names": dict(self.names), "is_strict": self.is_strict}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Rules:
        fields = {key: Rule(kind, tuple(choices)) for key, (kind, choices) in kept["fields"].items()}
        return cls(fields, kept["names"], kept["is_strict"])


#: Of a tenant that defined nothing.
ANYTHING = Rules()
