"""Staged rows into contacts, as the tenant's custom fields want them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from campaign_service.contacts.consents import repository as consents
from campaign_service.contacts.consents.schemas import ConsentClaim
from campaign_service.contacts.definitions.service import CustomFields
from campaign_service.contacts.privacy import repository as privacy
from campaign_service.imports import repository
from campaign_service.imports.staging import repository as staging
from shared.database import Tx


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows of one import become contacts.

    `origin` says where they are from, and `claim` what all of their people have agreed to.
    """

    import_id: UUID
    default_language: str
    on_conflict: str
    source_id: UUID | None
    fields: CustomFields
    origin: str
    claim: dict[str, Any] | None = None
    actor: UUID | None = None


async def merge(tx: Tx, plan: Plan, *, says_texts: bool) -> tuple[repository.Merged, int]:
    """What the staged rows came to, and how many of them were refused.

    With `says_texts` the rows may say whether their people want texts, which is put on record.
    """
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
    if plan.claim is not None:
        claim = plan.claim | {"source": plan.claim["source"] or plan.origin}
        await consents.claim_staged(tx, tx.tenant, claim, plan.actor)
    if says_texts:
        await consents.note_staged_texts(tx, tx.tenant, plan.origin, plan.actor)
    return merged, refused


async def forget_erased(tx: Tx, import_id: UUID) -> int:
    """What an import does last: take out again who was erased while it ran; how many new contacts they were.

    From here to the end of the transaction nobody is barred, so that an erasure that comes now finds what
    this import brought.
    """
    await privacy.hold(tx, tx.tenant)
    if not await privacy.was_barred_lately(tx, tx.tenant):
        return 0
    return await staging.forget_barred(tx, tx.tenant, import_id)


def claimed(kept: dict[str, Any] | None) -> dict[str, Any] | None:
    """A claim as it was kept, ready to be put on record."""
    return None if kept is None else ConsentClaim.model_validate(kept).model_dump()
