"""Types of values that clients send: no control characters, bounded lengths, canonical forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from campaign_service.contacts.address import FAULT_TEXT, parse_address
from campaign_service.contacts.fields import CUSTOM_VALUE_LIMIT, country_code, language_code
from shared.errors import NotFoundError

SLUG_PATTERN = r"^[a-z0-9]+([_-][a-z0-9]+)*$"
_NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
_NO_NUL = r"^[^\x00]*$"
_MAX_CUSTOM_FIELDS = 100


def _email(value: str) -> str:
    address = parse_address(value)
    if address.fault:
        raise ValueError(FAULT_TEXT[address.fault])
    return address.email


def _language(value: str) -> str:
    code = language_code(value)
    if code is None:
        raise ValueError("not a language; give a code such as en")
    return code


def _distinct(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


EmailAddress = Annotated[str, StringConstraints(max_length=320), AfterValidator(_email)]
LanguageCode = Annotated[str, StringConstraints(max_length=35), AfterValidator(_language)]
Country = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=64, pattern=_NO_CONTROL),
    AfterValidator(country_code),
]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=_NO_CONTROL)]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_NO_CONTROL)
]
ShortLine = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64, pattern=_NO_CONTROL)]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40, pattern=_NO_CONTROL)]
Text = Annotated[str, StringConstraints(max_length=CUSTOM_VALUE_LIMIT, pattern=_NO_NUL)]
Slug = Annotated[str, StringConstraints(max_length=64, pattern=SLUG_PATTERN)]
Slugs = Annotated[list[Slug], Field(max_length=50), AfterValidator(_distinct)]
CustomKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,64}$")]
CustomValue: TypeAlias = Text | bool | int | float | list[Text] | None
CustomFields = Annotated[dict[CustomKey, CustomValue], Field(max_length=_MAX_CUSTOM_FIELDS)]
Channel = Literal["email", "sms"]


class TenantBody(BaseModel):
    """Body of a POST outside the tenant's path: older clients name the tenant in it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    tenant_id: UUID | None = Field(default=None, description="Optional; must be the caller's own tenant")

    def require_tenant(self, tenant_id: UUID) -> None:
        """404 for another tenant's id: never tell whether it exists."""
        if self.tenant_id is not None and self.tenant_id != tenant_id:
            raise NotFoundError


class PatchBody(BaseModel):
    """Body of a PUT: fields that are given change, the others stay; `required` ones cannot become null."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_null(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            for name in cls.required():
                if name in data and data[name] is None:
                    raise ValueError(f"{name} cannot be null")
        return data

    @classmethod
    def required(cls) -> tuple[str, ...]:
        """Names of the fields that always have a value."""
        return ()

    def changes(self) -> dict[str, Any]:
        """The given fields alone."""
        return self.model_dump(exclude_unset=True)
