"""Many contacts in one call, each item answered by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

import pydantic
from pydantic import BaseModel, ConfigDict, model_validator

from campaign_service.contacts import repository, service
from campaign_service.contacts.definitions import service as definitions
from campaign_service.contacts.privacy import repository as privacy
from campaign_service.contacts.schemas import BulkIn, BulkOut, BulkResult, ContactIn, ContactUpdate
from campaign_service.contacts.types import EmailAddress
from campaign_service.tags import repository as tags
from shared.database import Tx
from shared.errors import AppError, NotFoundError, ValidationError

M = TypeVar("M", bound=BaseModel)
Found = list[tuple[int, UUID]]
_STATUS_OF: dict[type[AppError], Any] = {
    service.ContactExistsError: "exists",
    NotFoundError: "not_found",
}


class _Reference(BaseModel):
    """A contact by id or by address."""

    model_config = ConfigDict(extra="ignore")

    id: UUID | None = None
    email: EmailAddress | None = None

    @model_validator(mode="after")
    def _one(self) -> _Reference:
        if self.id is None and self.email is None:
            raise ValueError("id or email is required")
        return self


async def run(tx: Tx, tenant_id: UUID, body: BulkIn, actor: UUID | None = None) -> BulkOut:
    """Do the action to every item; results are in the order of the items."""
    if body.action in ("tag", "untag") and not body.tags:
        raise ValidationError(f"{body.action} needs tags", field="tags")
    results = await _ACTIONS[body.action](tx, tenant_id, body, actor)
    failed = sum(result.status in ("invalid", "not_found", "exists") for result in results)
    ordered = sorted(results, key=lambda result: result.index)
    return BulkOut(succeeded=len(results) - failed, failed=failed, results=ordered)


def _read(kind: type[M], items: Sequence[dict[str, Any]]) -> tuple[list[tuple[int, M]], list[BulkResult]]:
    """Items that have the shape, with their index, and results for those that do not."""
    good: list[tuple[int, M]] = []
    bad: list[BulkResult] = []
    for index, item in enumerate(items):
        try:
            good.append((index, kind.model_validate(item)))
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            field = ".".join(map(str, first["loc"])) or None
            bad.append(BulkResult(index=index, status="invalid", field=field, message=first["msg"]))
    return good, bad


async def _create(tx: Tx, tenant_id: UUID, body: BulkIn, actor: UUID | None) -> list[BulkResult]:
    good, results = _read(ContactIn, body.items)
    rows = {}
    fields = await definitions.of_tenant(tx, tenant_id)
    for index, item in good:
        try:
            rows[index] = service.new_row(item, fields)
        except AppError as error:
            results.append(
                BulkResult(index=index, status="invalid", field=error.field, message=error.message)
            )
    good = [(index, item) for index, item in good if index in rows]
    first = {service.key_of(row): index for index, row in reversed(rows.items())}
    await privacy.hold(tx, tenant_id)
    made = await repository.insert_many(tx, tenant_id, [rows[index] for index in first.values()])
    _, there = await repository.existing(tx, tenant_id, [], list(first))
    wanted: dict[tuple[str, ...], list[UUID]] = {}
    for index, item in good:
        key = service.key_of(rows[index])
        if key in made and first[key] == index:
            results.append(BulkResult(index=index, status="created", id=made[key]))
            if item.tags:
                wanted.setdefault(tuple(sorted(item.tags)), []).append(made[key])
        else:
            field = "email" if item.email else "phone"
            results.append(BulkResult(index=index, status="exists", id=there.get(key), field=field))
    said = {row["id"]: row["custom_fields"] for row in rows.values() if row["id"] in made.values()}
    await service.note_consents(tx, tenant_id, said, actor)
    for slugs, ids in wanted.items():
        tag_ids = await tags.ensure(tx, tenant_id, slugs)
        await tags.attach(tx, tenant_id, ids, list(tag_ids.values()))
    return results


async def _find(tx: Tx, tenant_id: UUID, items: Sequence[dict[str, Any]]) -> tuple[Found, list[BulkResult]]:
    """Index and contact id of the items that name a contact, and results for the others."""
    good, results = _read(_Reference, items)
    ids, by_email = await repository.existing(
        tx,
        tenant_id,
        [ref.id for _, ref in good if ref.id],
        [ref.email for _, ref in good if ref.email and not ref.id],
    )
    found: Found = []
    for index, ref in good:
        contact_id = ref.id or by_email.get((ref.email or "").lower())
        if contact_id in ids and contact_id is not None:
            found.append((index, contact_id))
        else:
            results.append(BulkResult(index=index, status="not_found", id=ref.id))
    return found, results


async def _update(tx: Tx, tenant_id: UUID, body: BulkIn, actor: UUID | None) -> list[BulkResult]:
    found, results = await _find(tx, tenant_id, body.items)
    for index, contact_id in found:
        fields = {k: v for k, v in body.items[index].items() if k not in ("id", "email", "new_email")}
        if "new_email" in body.items[index]:
            fields["email"] = body.items[index]["new_email"]
        good, bad = _read(ContactUpdate, [fields])
        if bad:
            results.append(bad[0].model_copy(update={"index": index, "id": contact_id}))
            continue
        results.append(await _update_one(tx, tenant_id, index, contact_id, good[0][1], actor))
    return results


async def _update_one(
    tx: Tx, tenant_id: UUID, index: int, contact_id: UUID, body: ContactUpdate, actor: UUID | None
) -> BulkResult:
    try:
        changed = await service.update(tx, tenant_id, contact_id, body, actor)
    except AppError as error:
        status = _STATUS_OF.get(type(error), "invalid")
        return BulkResult(index=index, status=status, id=contact_id, field=error.field, message=error.message)
    return BulkResult(index=index, status="updated" if changed else "unchanged", id=contact_id)


async def _tag(tx: Tx, tenant_id: UUID, body: BulkIn, actor: UUID | None) -> list[BulkResult]:
    found, results = await _find(tx, tenant_id, body.items)
    tag_ids = await tags.ensure(tx, tenant_id, body.tags)
    given = await tags.attach(tx, tenant_id, [c for _, c in found], list(tag_ids.values()))
    return results + _outcomes(found, set(given), "tagged")


async def _untag(tx: Tx, tenant_id: UUID, body: BulkIn, actor: UUID | None) -> list[BulkResult]:
    found, results = await _find(tx, tenant_id, body.items)
    taken = await tags.detach(tx, tenant_id, [c for _, c in found], body.tags)
    return results + _outcomes(found, set(taken), "untagged")


async def _delete(tx: Tx, tenant_id: UUID, body: BulkIn, actor: UUID | None) -> list[BulkResult]:
    found, results = await _find(tx, tenant_id, body.items)
    gone = await repository.delete_many(tx, tenant_id, [c for _, c in found])
    return results + _outcomes(found, gone, "deleted")


def _outcomes(found: Found, changed: set[UUID], status: Any) -> list[BulkResult]:
    return [
        BulkResult(index=index, status=status if contact_id in changed else "unchanged", id=contact_id)
        for index, contact_id in found
    ]


_ACTIONS = {"create": _create, "update": _update, "tag": _tag, "untag": _untag, "delete": _delete}
