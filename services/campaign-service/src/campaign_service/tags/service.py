"""Rules of tags."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from campaign_service.imports.rows import slug as slug_of
from campaign_service.tags import repository
from campaign_service.tags.schemas import TagIn, TagUpdate
from shared.database import Tx
from shared.errors import ConflictError, NotFoundError, ValidationError


class TagSlugTakenError(ConflictError):
    code = "TAG_SLUG_TAKEN"


class TagInUseError(ConflictError):
    """A scheduled campaign chooses its audience by this tag."""

    code = "TAG_IN_USE"


async def create(tx: Tx, tenant_id: UUID, body: TagIn) -> dict[str, Any]:
    slug = body.slug or slug_of(body.name)
    if not slug:
        raise ValidationError("No slug can be made from this name; give one", field="slug")
    tag_id = await repository.insert(tx, tenant_id, slug, body.name, body.description, body.color)
    if tag_id is None:
        raise TagSlugTakenError(f"There is a tag {slug} already", field="slug")
    return await get(tx, tenant_id, tag_id)


async def get(tx: Tx, tenant_id: UUID, tag_id: UUID) -> dict[str, Any]:
    tag = await repository.get(tx, tenant_id, tag_id)
    if tag is None:
        raise NotFoundError("There is no such tag")
    return tag


async def update(tx: Tx, tenant_id: UUID, tag_id: UUID, body: TagUpdate) -> dict[str, Any]:
    """Raises TagInUseError when the slug changes below a scheduled campaign."""
    changes = body.changes()
    slug = await _locked(tx, tenant_id, tag_id)
    new = changes.get("slug", slug)
    if new != slug:
        await _refuse_in_use(tx, tenant_id, slug)
        if await repository.id_of_slug(tx, tenant_id, new):
            raise TagSlugTakenError(f"There is a tag {new} already", field="slug")
    await repository.update(tx, tenant_id, tag_id, changes)
    return await get(tx, tenant_id, tag_id)


async def delete(tx: Tx, tenant_id: UUID, tag_id: UUID) -> int:
    """Delete the tag and take it from its contacts; how many had it."""
    slug = await _locked(tx, tenant_id, tag_id)
    await _refuse_in_use(tx, tenant_id, slug)
    tag = await get(tx, tenant_id, tag_id)
    await repository.delete(tx, tenant_id, tag_id)
    return int(tag["contact_count"])


async def _locked(tx: Tx, tenant_id: UUID, tag_id: UUID) -> str:
    slug = await repository.lock(tx, tenant_id, tag_id)
    if slug is None:
        raise NotFoundError("There is no such tag")
    return slug


async def _refuse_in_use(tx: Tx, tenant_id: UUID, slug: str) -> None:
    campaigns = await repository.waiting_campaigns(tx, tenant_id, slug)
    if campaigns:
        raise TagInUseError(
            f"A scheduled campaign chooses its audience by {slug}", details={"campaigns": campaigns}
        )
