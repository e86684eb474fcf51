"""Shapes of custom-field definitions in requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from campaign_service.contacts.definitions.values import FieldType, FieldValueError, Rule
from campaign_service.contacts.types import Name, PatchBody, Text

Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]


def _different(choices: list[str]) -> list[str]:
    if len({choice.casefold() for choice in choices}) < len(choices):
        raise ValueError("two choices are the same but for upper and lower case")
    return choices


Choices = Annotated[list[Name], Field(max_length=200), AfterValidator(_different)]
Default = Text | bool | int | float | None


class FieldIn(BaseModel):
    """A custom field of the tenant's contacts. Key and type stay for good.

    A new contact without a value gets `default`; where there is none and the field `is_required`, it is
    refused. Columns of files are recognised by key and by label.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    key: Key
    label: Name | None = None
    type: FieldType
    choices: Choices = Field(default_factory=list)
    is_required: bool = False
    default: Default = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("choices are what a field of type choice has, and only that")
        self.default = check_default(Rule(self.type, tuple(self.choices)), self.default)
        return self


def check_default(rule: Rule, value: Any) -> Any:
    """The default as it is kept. Raises ValueError."""
    try:
        return None if value is None else rule.read(value)
    except FieldValueError as error:
        raise ValueError(f"default: the field {error}") from None


class FieldUpdate(PatchBody):
    """Given fields change; values that contacts have stay as they are. `default: null` takes it away."""

    label: Name = ""
    choices: Choices = Field(default_factory=list)
    is_required: bool = False
    default: Default = None

    @classmethod
    def required(cls) -> tuple[str, ...]:
        return ("label", "choices", "is_required")


class FieldOut(BaseModel):
    id: UUID
    tenant_id: UUID
    key: str
    label: str
    type: FieldType
    choices: list[str]
    is_required: bool
    default: Any
    created_at: datetime
    updated_at: datetime


class DeletedField(BaseModel):
    id: UUID


class FieldSettings(BaseModel):
    """`is_strict`: contacts have only custom fields that are defined."""

    model_config = ConfigDict(extra="forbid")

    is_strict: bool = False
