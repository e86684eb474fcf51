"""The job that finds people who are there twice, and makes one contact of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from campaign_service.contacts.duplicates import repository
from campaign_service.contacts.duplicates.repository import Group
from campaign_service.contacts.duplicates.schemas import DeduplicateIn
from shared.database import Tx
from shared.jobs import JobContext, job

JOB_TYPE = "contacts.deduplicate"
_MOST_GROUPS = 100_000
_SHOWN = 200
_BATCH = 200


@job(JOB_TYPE, max_attempts=3, backoff=5.0, timeout=3600.0)
async def deduplicate_contacts(ctx: JobContext) -> dict[str, Any]:
    """Find duplicates, and merge them unless it is a dry run. Merged ones stay merged when it is repeated."""
    wanted = DeduplicateIn.model_validate(ctx.payload)
    async with ctx.tx() as tx:
        options = wanted.model_dump(exclude={"dry_run"})
        found = await repository.groups(tx, tx.tenant, **options, limit=_MOST_GROUPS)
    merged = 0
    for start in range(0, 0 if wanted.dry_run else len(found), _BATCH):
        ctx.check_cancelled()
        async with ctx.tx() as tx:
            merged += await _merge(tx, found[start : start + _BATCH])
        await ctx.progress(min(start + _BATCH, len(found)), len(found))
    return {
        "dry_run": wanted.dry_run,
        "groups": len(found),
        "duplicates": sum(len(group.members) - 1 for group in found),
        "merged": merged,
        "has_more": len(found) == _MOST_GROUPS,
        "pairs": [_shown(group) for group in found[:_SHOWN]],
    }


async def _merge(tx: Tx, found: Sequence[Group]) -> int:
    there = await repository.lock(
        tx, tx.tenant, [contact_id for group in found for contact_id, _ in group.members]
    )
    left = [[contact_id for contact_id, _ in group.members if contact_id in there] for group in found]
    pairs = [(gone, ids[0]) for ids in left for gone in ids[1:]]
    return await repository.merge(tx, tx.tenant, pairs) if pairs else 0


def _shown(group: Group) -> dict[str, Any]:
    kept, *gone = ({"id": str(contact_id), "email": email} for contact_id, email in group.members)
    return {"keep": kept, "merge": gone}


JOBS = [deduplicate_contacts]
