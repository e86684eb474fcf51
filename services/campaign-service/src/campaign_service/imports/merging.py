"""Staged rows into contacts, as the tenant's custom fields want them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from campaign_service.contacts.definitions.service import CustomFields
from campaign_service.imports import repository
from campaign_service.imports.staging import repository as staging
from shared.database import Tx


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows of one import become contacts."""

    import_id: UUID
    default_language: str
    on_conflict: str
    source_id: UUID | None
    fields: CustomFields


async def merge(tx: Tx, plan: Plan) -> tuple[repository.Merged, int]:
    """What the staged rows came to, and how many of them were refused."""
    refused = 0
    if plan.fields.demanded:
        refused = await staging.demand(tx, tx.tenant, plan.import_id, plan.fields.demanded)
    merged = await repository.merge(
        tx,
        tx.tenant,
        plan.import_id,
        default_language=plan.default_language,
        on_conflict=plan.on_conflict,
        source_id=plan.source_id,
    )
    if plan.fields.defaults and merged.created:
        await staging.fill(tx, tx.tenant, plan.fields.defaults)
    return merged, refused
