"""SQL of the figures. Writers add deltas; readers get sums."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from campaign_service.stats.deltas import COLUMNS, Deltas
from shared.database import Tx

_ARRAYS = ", ".join(f"${n}::bigint[]" for n in range(4, 4 + len(COLUMNS)))
_ADD = f"""
INSERT INTO campaign_stats AS s (tenant_id, campaign_id, day, {", ".join(COLUMNS)})
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::date[], {_ARRAYS})
ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET
  {", ".join(f"{column} = s.{column} + excluded.{column}" for column in COLUMNS)}
"""
_SUMS = ", ".join(f"coalesce(sum({column}), 0)::bigint AS {column}" for column in COLUMNS)


async def add(tx: Tx, deltas: Deltas) -> None:
    """Write the changes in one statement, in the caller's transaction with the rows they count."""
    rows = deltas.rows()
    if not rows:
        return
    keys = [key for key, _ in rows]
    counts = zip(*(values for _, values in rows), strict=True)
    await tx.execute(
        _ADD, [k[0] for k in keys], [k[1] for k in keys], [k[2] for k in keys], *(list(c) for c in counts)
    )


async def totals(tx: Tx, tenant_id: UUID, since: date | None = None) -> dict[str, int]:
    """Every figure summed over all campaigns, from `since` on when given."""
    row = await tx.fetchrow(
        f"SELECT {_SUMS} FROM campaign_stats WHERE tenant_id = $1 AND ($2::date IS NULL OR day >= $2)",
        tenant_id,
        since,
    )
    return dict(row) if row else dict.fromkeys(COLUMNS, 0)


async def per_campaign(
    tx: Tx, tenant_id: UUID, after: tuple[Any, UUID] | None, limit: int
) -> list[dict[str, Any]]:
    """Started campaigns, the latest start first, each with its figures; those after (started_at, id)."""
    started_at, last_id = after or (None, None)
    rows = await tx.fetch(
        f"""SELECT c.id, c.name, c.status, c.started_at, c.completed_at, c.recipient_count, f.*
            FROM (SELECT id, name, status, started_at, completed_at, recipient_count FROM campaign
                  WHERE tenant_id = $1 AND started_at IS NOT NULL
                    AND ($2::timestamptz IS NULL OR (started_at, id) < ($2, $3::uuid))
                  ORDER BY started_at DESC, id DESC LIMIT $4) c
            CROSS JOIN LATERAL (
              SELECT {_SUMS} FROM campaign_stats WHERE tenant_id = $1 AND campaign_id = c.id) f
            ORDER BY c.started_at DESC, c.id DESC""",
        tenant_id,
        started_at,
        last_id,
        limit,
    )
    return [dict(row) for row in rows]


async def campaigns_by_status(tx: Tx, tenant_id: UUID) -> dict[str, int]:
    rows = await tx.fetch(
        "SELECT status, count(*) AS n FROM campaign WHERE tenant_id = $1 GROUP BY status", tenant_id
    )
    return {row["status"]: row["n"] for row in rows}


async def per_day(tx: Tx, tenant_id: UUID, first: date, last: date) -> list[dict[str, Any]]:
    """One row for each day from `first` to `last`, days without anything included."""
    rows = await tx.fetch(
        f"""SELECT d.day::date AS day, {_SUMS}
            FROM generate_series($2::date, $3::date, interval '1 day') AS d (day)
            LEFT JOIN campaign_stats s ON s.tenant_id = $1 AND s.day = d.day::date
            GROUP BY d.day ORDER BY d.day""",
        tenant_id,
        first,
        last,
    )
    return [dict(row) for row in rows]


async def contacts(tx: Tx, tenant_id: UUID) -> list[dict[str, Any]]:
    """Number of contacts by status, validation and language at once."""
    rows = await tx.fetch(
        """SELECT status, validation_status, language, sum(n)::bigint AS n FROM contact_figure
           WHERE tenant_id = $1 GROUP BY status, validation_status, language HAVING sum(n) <> 0""",
        tenant_id,
    )
    return [dict(row) for row in rows]


async def small_counts(tx: Tx, tenant_id: UUID) -> dict[str, int]:
    """Tags, templates and suppressed addresses of the tenant."""
    row = await tx.fetchrow(
        """SELECT (SELECT count(*) FROM tag WHERE tenant_id = $1) AS tags,
                  (SELECT count(*) FROM template WHERE tenant_id = $1 AND archived_at IS NULL) AS templates,
                  -- Those that end today are the only ones of which a day does not tell whether they did.
                  (SELECT coalesce(sum(n), 0)::bigint FROM suppression_figure WHERE tenant_id = $1
                     AND (expires_on IS NULL OR expires_on > (now() AT TIME ZONE 'UTC')::date))
                  + (SELECT count(*) FROM suppression WHERE tenant_id = $1 AND expires_at > now()
                     AND expires_at < date_trunc('day', now(), 'UTC') + interval '1 day')
                  AS suppressions""",
        tenant_id,
    )
    return dict(row) if row else {}


async def issue_counts(tx: Tx, tenant_id: UUID) -> list[dict[str, Any]]:
    """Rows of delivery webhooks that could not be applied, by source, kind and reason."""
    rows = await tx.fetch(
        """SELECT source, kind, reason, sum(n)::bigint AS count FROM issue_figure WHERE tenant_id = $1
           GROUP BY source, kind, reason HAVING sum(n) <> 0 ORDER BY source, kind, reason""",
        tenant_id,
    )
    return [dict(row) for row in rows]
