"""Rules of single contacts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from campaign_service.contacts import repository
from campaign_service.contacts.schemas import ContactIn, ContactUpdate
from campaign_service.tags import repository as tags
from shared.database import Tx
from shared.errors import ConflictError, NotFoundError
from shared.utils import uuid7

NOT_FOUND = "There is no such contact"


class ContactExistsError(ConflictError):
    """The tenant has a contact with this address; `details.id` names it."""

    code = "CONTACT_EXISTS"

    @classmethod
    def of(cls, contact_id: UUID | None) -> ContactExistsError:
        details = {"id": str(contact_id)} if contact_id else None
        return cls("There is a contact with this address already", field="email", details=details)


def new_row(body: ContactIn) -> dict[str, Any]:
    """A contact to insert, with its id; null custom fields are left out."""
    row = body.model_dump(exclude={"tags", "tenant_id"})
    row["custom_fields"] = {k: v for k, v in row["custom_fields"].items() if v is not None}
    return row | {"id": uuid7(), "validation_status": "unknown"}


async def create(tx: Tx, tenant_id: UUID, body: ContactIn) -> dict[str, Any]:
    """Raises ContactExistsError. A suppressed address gets the status of its suppression."""
    row = new_row(body)
    if not await repository.insert_many(tx, tenant_id, [row]):
        raise ContactExistsError.of(await repository.id_of_email(tx, tenant_id, body.email))
    if body.tags:
        await tags.replace(tx, tenant_id, row["id"], body.tags)
    return await get(tx, tenant_id, row["id"])


async def get(tx: Tx, tenant_id: UUID, contact_id: UUID) -> dict[str, Any]:
    contact = await repository.get(tx, tenant_id, contact_id)
    if contact is None:
        raise NotFoundError(NOT_FOUND)
    return contact


async def update(tx: Tx, tenant_id: UUID, contact_id: UUID, body: ContactUpdate) -> bool:
    """Apply the given fields; False when all of them were so already."""
    if not await repository.lock(tx, tenant_id, contact_id):
        raise NotFoundError(NOT_FOUND)
    changes = body.changes()
    if "email" in changes:
        other = await repository.id_of_email(tx, tenant_id, changes["email"])
        if other not in (None, contact_id):
            raise ContactExistsError.of(other)
    if "email" in changes and other is None:
        changes.setdefault("validation_status", "unknown")
    changed = await repository.update(tx, tenant_id, contact_id, changes)
    if "tags" in changes:
        await tags.replace(tx, tenant_id, contact_id, changes["tags"])
        changed = True
    return changed


async def delete(tx: Tx, tenant_id: UUID, contact_id: UUID) -> None:
    if not await repository.delete_many(tx, tenant_id, [contact_id]):
        raise NotFoundError(NOT_FOUND)
