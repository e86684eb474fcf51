"""SQL of the audience: one semi-join per tag, so that the planner can start from the rarest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

_MANY_ROWS = 1000
# Reason of suppression per address: one row each, the wider scope first ('all' sorts before 'marketing').
_SUPPRESSED = """
  LEFT JOIN (
    SELECT DISTINCT ON (address_lower) address_lower, reason
    FROM suppression
    WHERE tenant_id = $1 AND channel = 'email' AND (expires_at IS NULL OR expires_at > $2)
    ORDER BY address_lower, scope
  ) s ON s.address_lower = c.email_lower
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """Ids of the tags that choose an audience. Empty tuples ask for nothing: no tag at all means everyone.

    `condition` makes one more condition on contact `c`, whose parameters it appends; `$1` is the tenant.
    """

    tags_all: tuple[UUID, ...] = ()
    tags_any: tuple[UUID, ...] = ()
    exclude_tags: tuple[UUID, ...] = ()
    condition: Callable[[list[Any]], str] | None = None


def tag_conditions(selection: Selection, params: list[Any]) -> str:
    """SQL conditions on contact `c`, each beginning with AND; their values are appended to `params`."""
    parts: list[str] = []
    for tag_id in dict.fromkeys(selection.tags_all):
        params.append(tag_id)
        parts.append(_has_tag(f"t.tag_id = ${len(params)}"))
    if selection.tags_any:
        params.append(list(selection.tags_any))
        parts.append(_has_tag(f"t.tag_id = ANY(${len(params)}::uuid[])"))
    if selection.exclude_tags:
        params.append(list(selection.exclude_tags))
        parts.append("NOT " + _has_tag(f"t.tag_id = ANY(${len(params)}::uuid[])"))
    if selection.condition is not None:
        parts.append(selection.condition(params))
    return "".join(f"\n  AND {part}" for part in parts)


def _has_tag(condition: str) -> str:
    return (
        f"EXISTS (SELECT 1 FROM contact_tag t WHERE t.tenant_id = $1 AND t.contact_id = c.id AND {condition})"
    )


async def tag_ids(tx: Tx, tenant_id: UUID, slugs: Sequence[str]) -> dict[str, UUID]:
    """Slug to id, of those slugs that exist."""
    rows = await tx.fetch(
        "SELECT slug, id FROM tag WHERE tenant_id = $1 AND slug = ANY($2::text[])", tenant_id, list(slugs)
    )
    return {row["slug"]: row["id"] for row in rows}


async def counts(
    tx: Tx, tenant_id: UUID, selection: Selection, now: datetime
) -> list[tuple[str, str | None, int]]:
    """(contact status, reason of suppression or None, how many) over everyone the tags choose."""
    params: list[Any] = [tenant_id, now]
    rows = await tx.fetch(
        f"""SELECT CASE WHEN c.email IS NULL THEN 'no_email' ELSE c.status END AS status, s.reason,
                   count(*) AS n
            FROM contact c {_SUPPRESSED}
            WHERE c.tenant_id = $1 {tag_conditions(selection, params)}
            GROUP BY 1, s.reason""",
        *params,
    )
    return [(row["status"], row["reason"], row["n"]) for row in rows]


async def sample(
    tx: Tx, tenant_id: UUID, selection: Selection, now: datetime, size: int
) -> list[dict[str, Any]]:
    """Some people who would get the mail, the earliest contacts first."""
    params: list[Any] = [tenant_id, now]
    where = tag_conditions(selection, params)
    params.append(size)
    rows = await tx.fetch(
        f"""SELECT c.id, c.email, c.first_name, c.last_name, c.language
            FROM contact c {_SUPPRESSED}
            WHERE c.tenant_id = $1 AND c.status = 'valid' AND c.email IS NOT NULL AND s.reason IS NULL {where}
            ORDER BY c.id LIMIT ${len(params)}""",
        *params,
    )
    return [dict(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Languages:
    """How each person's language is chosen: `forced` for all, else their own if available, else `default`."""

    forced: str | None
    available: tuple[str, ...]
    default: str


@dataclass(frozen=True, slots=True)
class Places:
    """Where people are: what a contact says of its zone (`said`), the zone and its first moment, in step."""

    said: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    moments: tuple[datetime | None, ...] = ()


ANY_TIME = Places()


@dataclass(frozen=True, slots=True)
class Split:
    """Into so many variants, of which `percent` of the people get one at once; the others are held.

    With `hold_all` nobody goes before they are let go. Who is where depends on campaign and contact alone.
    """

    variants: int = 0
    percent: int = 100
    hold_all: bool = False


NO_SPLIT = Split()
# Eight hexadecimal digits of a hash as a number.
_DIGITS = "('x' || substr(md5($3::uuid::text || c.id::text), {start}, 8))::bit(32)::bigint"
#: The variant of contact `c` in campaign $3, of $10 variants for $11 percent; 0 for the others.
VARIANT = f"""CASE WHEN $10::int = 0 THEN 0
               WHEN {_DIGITS.format(start=1)} % 100 >= $11::int THEN 0
               ELSE 1 + {_DIGITS.format(start=9)} % $10::int END"""


def waiting(places: Places, split: Split) -> tuple[Any, ...]:
    """Parameters 7 to 12 of a statement that freezes an audience."""
    zones = (list(places.said), list(places.zones), list(places.moments))
    return (*zones, split.variants, split.percent, split.hold_all)


async def freeze(
    tx: Tx,
    tenant_id: UUID,
    campaign_id: UUID,
    selection: Selection,
    languages: Languages,
    now: datetime,
    places: Places = ANY_TIME,
    split: Split = NO_SPLIT,
) -> tuple[int, int]:
    """Write the audience down, once and for all; (to be sent, skipped because suppressed).

    A language with a region (`fr-CA`) falls back to its base (`fr`) before the default.
    """
    params: list[Any] = [
        tenant_id,
        now,
        campaign_id,
        languages.forced,
        list(languages.available),
        languages.default,
        *waiting(places, split),
    ]
    where = tag_conditions(selection, params)
    # A million people take longer than a request may otherwise keep the database.
    await tx.execute("SET LOCAL statement_timeout = '10min'")
    row = await tx.fetchrow(
        f"""WITH frozen AS (
              INSERT INTO campaign_recipient
                (tenant_id, campaign_id, contact_id, email, language, state, skip_reason, updated_at,
                 send_zone, variant, next_attempt_at)
              SELECT c.tenant_id, $3::uuid, c.id, c.email,
                     CASE WHEN $4::text IS NOT NULL THEN $4::text
                          WHEN c.language = ANY($5::text[]) THEN c.language
                          WHEN split_part(c.language, '-', 1) = ANY($5::text[]) THEN
                            split_part(c.language, '-', 1)
                          ELSE $6::text END,
                     CASE WHEN s.reason IS NULL THEN 'queued' ELSE 'skipped' END,
                     s.reason, $2::timestamptz, z.zone, v.number,
                     CASE WHEN s.reason IS NOT NULL THEN NULL
                          WHEN $12::boolean OR ($10::int > 0 AND v.number = 0) THEN 'infinity'
                          ELSE z.moment END
              FROM contact c {_SUPPRESSED}
              LEFT JOIN unnest($7::text[], $8::text[], $9::timestamptz[]) AS z (said, zone, moment)
                ON z.said = coalesce(c.time_zone, '')
              CROSS JOIN LATERAL (SELECT {VARIANT} AS number) v
              WHERE c.tenant_id = $1 AND c.status = 'valid' AND c.email IS NOT NULL {where}
              RETURNING state)
            SELECT count(*) FILTER (WHERE state = 'queued') AS queued,
                   count(*) FILTER (WHERE state = 'skipped') AS skipped
            FROM frozen""",
        *params,
    )
    queued, skipped = (row["queued"], row["skipped"]) if row else (0, 0)
    if queued + skipped >= _MANY_ROWS:
        # Else every join with the new rows is planned for a handful until autovacuum comes by.
        await tx.execute("SELECT refresh_recipient_statistics()")
    return queued, skipped
