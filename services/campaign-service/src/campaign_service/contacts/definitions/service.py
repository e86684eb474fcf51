"""Rules of custom fields: definitions, and what they make of a contact's values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from campaign_service.contacts.definitions import repository
from campaign_service.contacts.definitions.schemas import FieldIn, FieldUpdate, check_default
from campaign_service.contacts.definitions.values import FieldValueError, Rule, Rules
from campaign_service.imports.headers import normalised
from shared.database import Tx
from shared.errors import ConflictError, NotFoundError, ValidationError

MOST_FIELDS = 200
_NOT_FOUND = "There is no such custom field"


class FieldExistsError(ConflictError):
    """The key is defined already."""

    code = "FIELD_EXISTS"


@dataclass(frozen=True, slots=True)
class CustomFields:
    """What a tenant's contacts may and must have. `defaults` are for new contacts that say nothing."""

    rules: Rules
    required: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def demanded(self) -> list[str]:
        """Keys that a new contact has to bring with it."""
        return sorted(self.required - self.defaults.keys())

    def of_new(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values a new contact is kept with. Raises ValidationError."""
        values = {**self.defaults, **{k: v for k, v in self.changed(given).items() if v is not None}}
        if missing := sorted(self.required - values.keys()):
            raise ValidationError(f"{missing[0]} is required", field=f"custom_fields.{missing[0]}")
        return values

    def changed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values a contact that is there is changed to; null takes one away. Raises ValidationError."""
        if refused := self.rules.refused(given):
            raise ValidationError(
                f"There is no custom field {', '.join(refused)}", field=f"custom_fields.{refused[0]}"
            )
        return {key: self._read(key, value) for key, value in given.items()}

    def _read(self, key: str, value: Any) -> Any:
        rule = self.rules.fields.get(key)
        # An empty text is no value: forms send one for what was left out.
        if rule is not None and rule.type != "text" and value == "":
            value = None
        if value is None and key in self.required and key not in self.defaults:
            raise ValidationError(f"{key} is required", field=f"custom_fields.{key}")
        if rule is None or value is None:
            return value
        try:
            return rule.read(value)
        except FieldValueError as error:
            raise ValidationError(f"{key} {error}", field=f"custom_fields.{key}") from error


async def of_tenant(tx: Tx, tenant_id: UUID) -> CustomFields:
    """The tenant's definitions as they are now."""
    rows = await repository.all_of(tx, tenant_id)
    rules = Rules(
        {row["key"]: rule_of(row) for row in rows},
        {normalised(name): row["key"] for row in rows for name in (row["label"], row["key"])},
        await repository.is_strict(tx, tenant_id),
    )
    return CustomFields(
        rules,
        frozenset(row["key"] for row in rows if row["is_required"]),
        {row["key"]: row["default"] for row in rows if row["default"] is not None},
    )


def rule_of(row: Mapping[str, Any]) -> Rule:
    return Rule(row["type"], tuple(row["choices"]))


async def create(tx: Tx, tenant_id: UUID, body: FieldIn) -> dict[str, Any]:
    """Raises FieldExistsError, or ValidationError when there are too many."""
    if len(await repository.all_of(tx, tenant_id)) >= MOST_FIELDS:
        raise ValidationError(f"There are {MOST_FIELDS} custom fields already", field="key")
    values = body.model_dump() | {"label": body.label or body.key}
    field_id = await repository.insert(tx, tenant_id, values)
    if field_id is None:
        raise FieldExistsError(f"{body.key} is defined already", field="key")
    return await get(tx, tenant_id, field_id)


async def get(tx: Tx, tenant_id: UUID, field_id: UUID) -> dict[str, Any]:
    row = await repository.get(tx, tenant_id, field_id)
    if row is None:
        raise NotFoundError(_NOT_FOUND)
    return row


async def update(tx: Tx, tenant_id: UUID, field_id: UUID, body: FieldUpdate) -> dict[str, Any]:
    """Raises ValidationError for choices of another type, or a default that does not fit."""
    row = await get(tx, tenant_id, field_id)
    values = row | body.changes()
    if (row["type"] == "choice") != bool(values["choices"]):
        raise ValidationError("Only a field of type choice has choices, and has some", field="choices")
    try:
        values["default"] = check_default(rule_of(values), values["default"])
    except ValueError as error:
        raise ValidationError(str(error), field="default") from error
    await repository.update(tx, tenant_id, field_id, values)
    return await get(tx, tenant_id, field_id)


async def delete(tx: Tx, tenant_id: UUID, field_id: UUID) -> None:
    if not await repository.delete(tx, tenant_id, field_id):
        raise NotFoundError(_NOT_FOUND)
