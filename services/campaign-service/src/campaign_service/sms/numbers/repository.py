"""SQL of the numbers texts are sent from, and of when each may send."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from shared.database import Tx

_MOST_DAYS = 30  # by then it is a number like any other, and figures stay finite
_WARM = f"""p.warm_first * power(p.warm_growth, least({_MOST_DAYS}, coalesce(
    s.days_before + (s.day <> {{today}}::date AND s.sent > 0)::int, 0)))"""
_SENT = "CASE WHEN s.day = {today}::date THEN s.sent ELSE 0 END"
NewNumber = tuple[UUID, str, str | None, bool, int | None, float]


async def every(tx: Tx, tenant_id: UUID, today: date) -> list[dict[str, Any]]:
    """All of a tenant's, with the texts of campaigns each has sent today, and may."""
    rows = await tx.fetch(
        f"""SELECT p.id, p.tenant_id, p.number, p.label, p.provider, p.capabilities, p.is_active,
                   p.created_at, p.updated_at, p.warm_first, p.warm_growth,
                   coalesce({_SENT.format(today="$2")}, 0) AS sent_today,
                   CASE WHEN p.warm_first IS NOT NULL
                        THEN least(floor({_WARM.format(today="$2")}), 2147483647)::int END AS most_today
            FROM phone_number p
            LEFT JOIN sms_sender s ON s.tenant_id = p.tenant_id AND s.sender = p.number
            WHERE p.tenant_id = $1 ORDER BY p.number""",
        tenant_id,
        today,
    )
    return [dict(row) for row in rows]


async def put(tx: Tx, tenant_id: UUID, rows: Sequence[NewNumber]) -> None:
    """These and no others: (id when new, number, label, whether it is used, warm start)."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], [], [], []]
    await tx.execute(
        "DELETE FROM phone_number WHERE tenant_id = $1 AND number <> ALL($2::text[])", tenant_id, columns[1]
    )
    await tx.execute(
        """INSERT INTO phone_number (tenant_id, id, number, label, is_active, warm_first, warm_growth)
           SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::boolean[], $6::int[],
                                    $7::float8[])
           ON CONFLICT (tenant_id, number) DO UPDATE
           SET label = excluded.label, is_active = excluded.is_active, warm_first = excluded.warm_first,
               warm_growth = excluded.warm_growth, updated_at = now()""",
        tenant_id,
        *columns,
    )


async def take_slot(
    tx: Tx, tenant_id: UUID, senders: Sequence[str], rate: float, today: date, *, counted: bool
) -> str | None:
    """The sender that has rested longest, now busy for 1/`rate` seconds; None while all of them are.

    With `counted` the text is one of today's, of which a number that is new has few.
    """
    taken: str | None = await tx.fetchval(
        f"""WITH free AS (
             SELECT g.sender FROM unnest($2::text[]) AS g (sender)
             LEFT JOIN sms_sender s ON s.tenant_id = $1 AND s.sender = g.sender
             LEFT JOIN phone_number p ON p.tenant_id = $1 AND p.number = g.sender
             WHERE (s.next_free_at IS NULL OR s.next_free_at <= clock_timestamp())
               AND (NOT $4::boolean OR p.warm_first IS NULL
                    OR coalesce({_SENT.format(today="$5")}, 0) + 1 <= {_WARM.format(today="$5")})
             ORDER BY s.next_free_at NULLS FIRST, g.sender LIMIT 1)
           INSERT INTO sms_sender AS s (tenant_id, sender, next_free_at, day, sent)
           SELECT $1, sender, clock_timestamp() + make_interval(secs => $3), $5, $4::int FROM free
           ON CONFLICT (tenant_id, sender) DO UPDATE SET next_free_at = excluded.next_free_at, day = $5,
             sent = {_SENT.format(today="$5")} + $4::int,
             days_before = s.days_before + coalesce((s.day <> $5::date AND s.sent > 0)::int, 0)
           WHERE s.next_free_at <= clock_timestamp()
           RETURNING sender""",
        tenant_id,
        list(senders),
        1 / rate,
        counted,
        today,
    )
    return taken


async def are_all_done(tx: Tx, tenant_id: UUID, senders: Sequence[str], today: date) -> bool:
    """Whether all of them have sent what they may today."""
    done: bool = await tx.fetchval(
        f"""SELECT coalesce(bool_and(
                     p.warm_first IS NOT NULL
                     AND coalesce({_SENT.format(today="$3")}, 0) + 1 > {_WARM.format(today="$3")}), false)
            FROM unnest($2::text[]) AS g (sender)
            LEFT JOIN sms_sender s ON s.tenant_id = $1 AND s.sender = g.sender
            LEFT JOIN phone_number p ON p.tenant_id = $1 AND p.number = g.sender""",
        tenant_id,
        list(senders),
        today,
    )
    return done
