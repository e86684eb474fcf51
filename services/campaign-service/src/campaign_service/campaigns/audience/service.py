"""Rules of the audience."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.campaigns.audience import repository
from campaign_service.campaigns.audience.repository import Selection
from shared.database import Tx
from shared.errors import ValidationError

SAMPLE_SIZE = 10
ELIGIBLE_STATUS = "valid"


class UnknownTagsError(ValidationError):
    """Tags a campaign names that the tenant does not have; `details.unknown` lists their slugs by field."""

    code = "UNKNOWN_TAGS"


@dataclass(frozen=True, slots=True)
class AudienceCount:
    """`eligible` people would get the mail; the others by why not: suppression reason, contact status."""

    eligible: int
    suppressed: dict[str, int] = field(default_factory=dict)
    not_eligible: dict[str, int] = field(default_factory=dict)


async def resolve_tags(
    tx: Tx, tenant_id: UUID, tags_all: list[str], tags_any: list[str], exclude_tags: list[str]
) -> Selection:
    """The ids of the tags. `UnknownTagsError` names each slug that does not exist: no rule may be dropped."""
    fields = {"tags_all": tags_all, "tags_any": tags_any, "exclude_tags": exclude_tags}
    slugs = {slug for values in fields.values() for slug in values}
    known = await repository.tag_ids(tx, tenant_id, sorted(slugs)) if slugs else {}
    unknown = {
        name: missing for name, values in fields.items() if (missing := sorted(set(values) - known.keys()))
    }
    if unknown:
        names = sorted({slug for missing in unknown.values() for slug in missing})
        raise UnknownTagsError(
            f"There is no tag {', '.join(names)}", field=next(iter(unknown)), details={"unknown": unknown}
        )
    return Selection(
        tags_all=tuple(known[slug] for slug in tags_all),
        tags_any=tuple(known[slug] for slug in tags_any),
        exclude_tags=tuple(known[slug] for slug in exclude_tags),
    )


async def count(tx: Tx, tenant_id: UUID, selection: Selection, now: datetime) -> AudienceCount:
    """Everyone the tags choose, counted now, each once: an ineligible status goes before a suppression."""
    eligible = 0
    suppressed: Counter[str] = Counter()
    not_eligible: Counter[str] = Counter()
    for status, reason, number in await repository.counts(tx, tenant_id, selection, now):
        if status != ELIGIBLE_STATUS:
            not_eligible[status] += number
        elif reason is not None:
            suppressed[reason] += number
        else:
            eligible += number
    return AudienceCount(eligible, dict(suppressed), dict(not_eligible))


async def sample(tx: Tx, tenant_id: UUID, selection: Selection, now: datetime) -> list[dict[str, Any]]:
    """A few people who would get the mail."""
    return await repository.sample(tx, tenant_id, selection, now, SAMPLE_SIZE)
