"""Rules of single contacts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from campaign_service.campaigns.recipients import repository as recipients
from campaign_service.contacts import repository
from campaign_service.contacts.consents import repository as consents
from campaign_service.contacts.definitions import service as definitions
from campaign_service.contacts.definitions.service import CustomFields
from campaign_service.contacts.privacy import repository as privacy
from campaign_service.contacts.schemas import ContactIn, ContactUpdate
from campaign_service.sms.phones import e164
from campaign_service.tags import repository as tags
from shared.database import Tx
from shared.errors import ConflictError, NotFoundError, ValidationError
from shared.utils import uuid7

NOT_FOUND = "There is no such contact"
#: Custom field that lets texts be sent to a contact.
TEXTS = "sms_marketing_consent"


class ContactExistsError(ConflictError):
    """The tenant has a contact with this address (or number alone); `details.id` names it."""

    code = "CONTACT_EXISTS"

    @classmethod
    def of(cls, contact_id: UUID | None, field: str = "email") -> ContactExistsError:
        details = {"id": str(contact_id)} if contact_id else None
        return cls("There is a contact with this address already", field=field, details=details)


class ContactErasedError(ConflictError):
    """Who has this address asked to be forgotten, and is not to be brought back."""

    code = "CONTACT_ERASED"


def new_row(body: ContactIn, fields: CustomFields) -> dict[str, Any]:
    """A contact to insert, with its id; null custom fields are left out.

    Raises ValidationError for custom fields that are not as the tenant wants them, and for somebody without
    an address whose phone cannot be read.
    """
    row = body.model_dump(exclude={"tags", "tenant_id"})
    row["custom_fields"] = fields.of_new(row["custom_fields"])
    if body.email is None:
        row |= _number(body.phone or "", body.country)
    return row | {"id": uuid7(), "validation_status": "unknown"}


def key_of(row: dict[str, Any]) -> str:
    """What tells a contact from the tenant's others: the lower-cased address, or the number without one."""
    key: str = row["email"].lower() if row["email"] else row["phone_e164"]
    return key


def _number(phone: str, country: str | None) -> dict[str, str]:
    number = e164(phone, country)
    if number is None:
        raise ValidationError("Without an e-mail address, phone must be a number", field="phone")
    return {"phone_e164": number, "phone_tried": phone}


async def create(tx: Tx, tenant_id: UUID, body: ContactIn, actor: UUID | None = None) -> dict[str, Any]:
    """Raises ContactExistsError. A suppressed address gets the status of its suppression."""
    row = new_row(body, await definitions.of_tenant(tx, tenant_id))
    await privacy.hold(tx, tenant_id)
    if not await repository.insert_many(tx, tenant_id, [row]):
        await _refuse_erased(tx, tenant_id, key_of(row))
        if body.email is None:
            raise ContactExistsError.of(
                await repository.id_of_phone(tx, tenant_id, row["phone_e164"]), "phone"
            )
        raise ContactExistsError.of(await repository.id_of_email(tx, tenant_id, body.email))
    if body.tags:
        await tags.replace(tx, tenant_id, row["id"], body.tags)
    await note_consents(tx, tenant_id, {row["id"]: row["custom_fields"]}, actor)
    return await get(tx, tenant_id, row["id"])


async def _refuse_erased(tx: Tx, tenant_id: UUID, key: str, field: str = "email") -> None:
    if await privacy.is_erased(tx, tenant_id, key):
        raise ContactErasedError("This person asked to be forgotten", field=field)


async def note_consents(
    tx: Tx, tenant_id: UUID, said: Mapping[UUID, Mapping[str, Any]], actor: UUID | None
) -> None:
    """Put on record what custom fields that were given say of texts, by contact."""
    if ids := [contact_id for contact_id, fields in said.items() if TEXTS in fields]:
        await consents.note_texts(tx, tenant_id, ids, "api", actor)


async def get(tx: Tx, tenant_id: UUID, contact_id: UUID) -> dict[str, Any]:
    contact = await repository.get(tx, tenant_id, contact_id)
    if contact is None:
        raise NotFoundError(NOT_FOUND)
    return contact


async def update(
    tx: Tx, tenant_id: UUID, contact_id: UUID, body: ContactUpdate, actor: UUID | None = None
) -> bool:
    """Apply the given fields; False when all of them were so already."""
    if not await repository.lock(tx, tenant_id, contact_id):
        raise NotFoundError(NOT_FOUND)
    changes = body.changes()
    if "email" in changes:
        await privacy.hold(tx, tenant_id)
        await _refuse_erased(tx, tenant_id, changes["email"])
        other = await repository.id_of_email(tx, tenant_id, changes["email"])
        if other not in (None, contact_id):
            raise ContactExistsError.of(other)
    if "email" in changes and other is None:
        changes.setdefault("validation_status", "unknown")
    if "custom_fields" in changes:
        fields = await definitions.of_tenant(tx, tenant_id)
        changes["custom_fields"] = fields.changed(changes["custom_fields"])
    if "phone" in changes:
        changes |= await _changed_phone(tx, tenant_id, contact_id, changes)
    changed = await repository.update(tx, tenant_id, contact_id, changes)
    if "email" in changes:
        await recipients.readdress(tx, tenant_id, contact_id, changes["email"])
    await note_consents(tx, tenant_id, {contact_id: changes.get("custom_fields", {})}, actor)
    if "tags" in changes:
        await tags.replace(tx, tenant_id, contact_id, changes["tags"])
        changed = True
    return changed


async def _changed_phone(
    tx: Tx, tenant_id: UUID, contact_id: UUID, changes: dict[str, Any]
) -> dict[str, str]:
    """Who has no address is told by the number, so a new one must be a number and free."""
    contact = await get(tx, tenant_id, contact_id)
    if (changes.get("email") or contact["email"]) is not None:
        return {}
    read = _number(changes["phone"] or "", changes.get("country", contact["country"]))
    await privacy.hold(tx, tenant_id)
    await _refuse_erased(tx, tenant_id, read["phone_e164"], "phone")
    other = await repository.id_of_phone(tx, tenant_id, read["phone_e164"])
    if other not in (None, contact_id):
        raise ContactExistsError.of(other, "phone")
    return read


async def delete(tx: Tx, tenant_id: UUID, contact_id: UUID) -> None:
    if not await repository.delete_many(tx, tenant_id, [contact_id]):
        raise NotFoundError(NOT_FOUND)
