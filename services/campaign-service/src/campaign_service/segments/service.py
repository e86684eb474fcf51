"""Rules of segments. Other features ask `condition_of` or `chooser` for whom a segment means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from campaign_service.campaigns.audience import repository as audience
from campaign_service.campaigns.audience.service import UnknownTagsError
from campaign_service.contacts import repository as contacts
from campaign_service.contacts.definitions import service as definitions
from campaign_service.contacts.definitions.values import FieldValueError
from campaign_service.contacts.definitions.values import Rule as FieldRule
from campaign_service.segments import repository
from campaign_service.segments.query import repository as query
from campaign_service.segments.query.repository import Compiled
from campaign_service.segments.rules import Definition, OfCustom, Rule, Tags, nodes
from shared.database import Tx
from shared.errors import ConflictError, NotFoundError, ValidationError

_DEFINITION: TypeAdapter[Rule] = TypeAdapter(Definition)
SAMPLE_SIZE = 10


class SegmentExistsError(ConflictError):
    """The tenant has a segment of this name."""

    code = "SEGMENT_EXISTS"


class SegmentInUseError(ConflictError):
    """Campaigns that were not started go to the segment; `details.campaigns` has their ids and names."""

    code = "SEGMENT_IN_USE"


class UnknownSegmentError(ValidationError):
    """A campaign names a segment that the tenant does not have."""

    code = "UNKNOWN_SEGMENT"


def as_json(rule: Rule) -> dict[str, Any]:
    """The tree as it is kept."""
    kept: dict[str, Any] = _DEFINITION.dump_python(rule, mode="json", by_alias=True, exclude_unset=True)
    return kept


async def compile_rule(tx: Tx, tenant_id: UUID, rule: Rule, now: datetime) -> Compiled:
    """Raises UnknownTagsError: no rule may be dropped. ValidationError for what a custom field never is."""
    return (await _compiler(tx, tenant_id, rule, now))([tenant_id])


async def _compiler(tx: Tx, tenant_id: UUID, rule: Rule, now: datetime) -> Callable[[list[Any]], Compiled]:
    """The rule with its tags looked up, to be compiled into a statement that has parameters already."""
    slugs = {
        slug
        for node, _ in nodes(rule)
        if isinstance(node, Tags)
        for slug in (*node.tags_all, *node.tags_any, *node.exclude_tags)
    }
    known = await audience.tag_ids(tx, tenant_id, sorted(slugs)) if slugs else {}
    if missing := sorted(slugs - known.keys()):
        raise UnknownTagsError(
            f"There is no tag {', '.join(missing)}", field="definition", details={"unknown": missing}
        )
    fields: Mapping[str, FieldRule] = {}
    if any(isinstance(node, OfCustom) for node, _ in nodes(rule)):
        fields = (await definitions.of_tenant(tx, tenant_id)).rules.fields
    try:
        Compiled([tenant_id], rule, known, fields, now)
    except FieldValueError as error:
        raise ValidationError(f"A custom field {error}", field="definition") from error
    return lambda params: Compiled(params, rule, known, fields, now)


async def condition_of(tx: Tx, tenant_id: UUID, segment_id: UUID, now: datetime) -> Compiled:
    """Whom a saved segment means, as a condition on `contact c`. NotFoundError, UnknownTagsError."""
    segment = await get(tx, tenant_id, segment_id)
    return await compile_kept(tx, tenant_id, segment["definition"], now)


async def chooser(
    tx: Tx, tenant_id: UUID, segment_id: UUID, now: datetime, *, keep: bool
) -> Callable[[list[Any]], str]:
    """The condition of a saved segment for a statement over `contact c`; it appends its parameters.

    With `keep` nobody deletes the segment before the transaction ends. Raises UnknownSegmentError and
    UnknownTagsError.
    """
    segment = await repository.get(tx, tenant_id, segment_id, keep=keep)
    if segment is None:
        raise UnknownSegmentError("There is no such segment", field="segment_id")
    compiler = await _compiler(tx, tenant_id, _DEFINITION.validate_python(segment["definition"]), now)
    return lambda params: compiler(params).condition


async def compile_kept(tx: Tx, tenant_id: UUID, definition: dict[str, Any], now: datetime) -> Compiled:
    """The same of a definition as it is kept."""
    return await compile_rule(tx, tenant_id, _DEFINITION.validate_python(definition), now)


async def get(tx: Tx, tenant_id: UUID, segment_id: UUID) -> dict[str, Any]:
    segment = await repository.get(tx, tenant_id, segment_id)
    if segment is None:
        raise NotFoundError("There is no such segment")
    return segment


async def create(tx: Tx, tenant_id: UUID, name: str, rule: Rule, now: datetime) -> dict[str, Any]:
    """The segment with its `count`."""
    compiled = await compile_rule(tx, tenant_id, rule, now)
    segment_id = await repository.insert(tx, tenant_id, name, as_json(rule))
    if segment_id is None:
        raise SegmentExistsError("There is a segment of this name already", field="name")
    return await get(tx, tenant_id, segment_id) | {"count": await query.count(tx, compiled)}


async def update(
    tx: Tx, tenant_id: UUID, segment_id: UUID, name: str, rule: Rule, now: datetime
) -> dict[str, Any]:
    """The segment with its `count`."""
    compiled = await compile_rule(tx, tenant_id, rule, now)
    changed = await repository.update(tx, tenant_id, segment_id, name, as_json(rule))
    if changed is None:
        raise SegmentExistsError("There is a segment of this name already", field="name")
    return await get(tx, tenant_id, segment_id) | {"count": await query.count(tx, compiled)}


async def delete(tx: Tx, tenant_id: UUID, segment_id: UUID) -> None:
    """Raises SegmentInUseError while a campaign is yet to go to it."""
    if not await repository.lock(tx, tenant_id, segment_id):
        raise NotFoundError("There is no such segment")
    if used := await repository.waiting_campaigns(tx, tenant_id, segment_id):
        names = ", ".join(campaign["name"] for campaign in used)
        raise SegmentInUseError(f"Campaigns go to this segment: {names}", details={"campaigns": used})
    await repository.delete(tx, tenant_id, segment_id)


async def members(tx: Tx, tenant_id: UUID, compiled: Compiled, after: UUID | None, limit: int) -> list[Any]:
    """Contacts, in the order of their ids."""
    return await contacts.get_many(tx, tenant_id, await query.ids(tx, compiled, after, limit))
