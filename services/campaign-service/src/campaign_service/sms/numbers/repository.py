"""SQL of the numbers texts are sent from, and of when each may send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


async def take_slot(tx: Tx, tenant_id: UUID, sender: str, rate: float) -> bool:
    """Whether a sender of a single text is free; from now on it is busy for 1/`rate` seconds."""
    return bool(
        await tx.affected(
            """INSERT INTO sms_sender AS s (tenant_id, sender, next_free_at)
               VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
               ON CONFLICT (tenant_id, sender) DO UPDATE SET next_free_at = excluded.next_free_at
               WHERE s.next_free_at <= clock_timestamp()""",
            tenant_id,
            sender,
            1 / rate,
        )
    )


@dataclass(frozen=True, slots=True)
class Sender:
    """`free_in`: seconds until it may send again, less than none when it has rested; `left`: texts today,
    None for any number.
    """

    sender: str
    free_in: float
    left: int | None


async def lock(tx: Tx, tenant_id: UUID, senders: Sequence[str], today: date) -> list[Sender]:
    """When each may send texts of campaigns, and how many, held until the transaction ends."""
    await tx.execute(
        """INSERT INTO sms_sender (tenant_id, sender, next_free_at, day)
           SELECT $1, g.sender, '-infinity', $3 FROM unnest($2::text[]) AS g (sender)
           WHERE NOT EXISTS (SELECT 1 FROM sms_sender s WHERE s.tenant_id = $1 AND s.sender = g.sender)
           ORDER BY g.sender ON CONFLICT DO NOTHING""",
        tenant_id,
        list(senders),
        today,
    )
    rows = await tx.fetch(
        f"""SELECT s.sender,
                   extract(epoch FROM greatest(s.next_free_at, clock_timestamp() - interval '1 day')
                                      - clock_timestamp())::float8 AS free_in,
                   CASE WHEN p.warm_first IS NOT NULL THEN
                     greatest(0, floor(least({_WARM.format(today="$3")}, 2147483647))::int
                                 - {_SENT.format(today="$3")}) END AS left
            FROM sms_sender s LEFT JOIN phone_number p ON p.tenant_id = $1 AND p.number = s.sender
            WHERE s.tenant_id = $1 AND s.sender = ANY($2::text[]) ORDER BY s.sender FOR UPDATE OF s""",
        tenant_id,
        list(senders),
        today,
    )
    return [Sender(**dict(row)) for row in rows]


async def take(tx: Tx, tenant_id: UUID, taken: Mapping[str, tuple[int, float]], today: date) -> None:
    """Sender to how many texts of campaigns it sends from now on, and the seconds until it is free again."""
    await tx.execute(
        f"""UPDATE sms_sender s SET next_free_at = clock_timestamp() + make_interval(secs => g.free_in),
               day = $5, sent = {_SENT.format(today="$5")} + g.number,
               days_before = s.days_before + coalesce((s.day <> $5::date AND s.sent > 0)::int, 0)
            FROM unnest($2::text[], $3::int[], $4::float8[]) AS g (sender, number, free_in)
            WHERE s.tenant_id = $1 AND s.sender = g.sender""",
        tenant_id,
        list(taken),
        [number for number, _ in taken.values()],
        [free_in for _, free_in in taken.values()],
        today,
    )


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
