"""SQL of suppressions and of their history. Other features add suppressions by `add_many`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx
from shared.utils import uuid7

_COLUMNS = "id, channel, address_lower AS address, scope, reason, detail, source, created_at, expires_at"
_HISTORY = "id, channel, address_lower AS address, scope, action, reason, detail, source, occurred_at"
# From least to most grave: a graver reason replaces a lighter one, never the other way round.
GRAVITY = ("soft_bounces", "invalid", "hard_bounce", "unsubscribed", "manual", "complaint")
_GRAVITY = f"ARRAY{list(GRAVITY)}"
# Of two, the graver reason and the later end hold; what has ended counts no more.
_UNITED = f"""ON CONFLICT (tenant_id, channel, address_lower, scope) DO UPDATE SET
    (reason, detail, source) = (
        SELECT CASE WHEN n.counts THEN excluded.reason ELSE s.reason END,
               CASE WHEN n.counts THEN excluded.detail ELSE s.detail END,
               CASE WHEN n.counts THEN excluded.source ELSE s.source END
        FROM (SELECT s.expires_at <= now() OR array_position({_GRAVITY}, excluded.reason)
                     >= array_position({_GRAVITY}, s.reason) AS counts) n),
    expires_at = CASE WHEN s.expires_at <= now() THEN excluded.expires_at
                      WHEN s.expires_at IS NULL OR excluded.expires_at IS NULL THEN NULL
                      ELSE greatest(s.expires_at, excluded.expires_at) END
    WHERE s.expires_at <= now()
       OR array_position({_GRAVITY}, excluded.reason) > array_position({_GRAVITY}, s.reason)
       OR (s.expires_at IS NOT NULL
           AND (excluded.expires_at IS NULL OR excluded.expires_at > s.expires_at))"""
# What a suppression says about the contact itself. What passes, as soft bounces may, changes nothing.
_CONTACT_STATUS = """CASE s.reason WHEN 'unsubscribed' THEN 'unsubscribed' WHEN 'complaint' THEN 'blacklisted'
    WHEN 'manual' THEN 'blacklisted' WHEN 'hard_bounce' THEN 'invalid' WHEN 'invalid' THEN 'invalid' END"""


@dataclass(frozen=True, slots=True)
class NewSuppression:
    """An address to suppress; `source` says who asked for it (`api`, `one_click`, `powermta`, …)."""

    address: str
    reason: str
    channel: str = "email"
    scope: str = "all"
    detail: str | None = None
    source: str | None = None
    expires_at: datetime | None = None


async def add_many(tx: Tx, tenant_id: UUID, rows: Sequence[NewSuppression]) -> int:
    """Suppress addresses and set the status of their contacts; how many rows were new or changed.

    Safe to repeat: a suppression that is there and at least as grave and as long stays as it is. Of two, the
    graver reason and the later end hold.
    """
    if not rows:
        return 0
    lightest_first = sorted(rows, key=lambda r: GRAVITY.index(r.reason))
    distinct = {(r.channel, r.address.strip().lower(), r.scope): r for r in lightest_first}
    changed = await tx.fetchval(
        f"""WITH given AS (
                SELECT * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                                     $8::text[], $9::timestamptz[], $10::uuid[])
                AS g(id, channel, address, scope, reason, detail, source, expires_at, history_id)
            ), kept AS (
                INSERT INTO suppression AS s
                    (tenant_id, id, channel, address_lower, scope, reason, detail, source, expires_at)
                SELECT $1, id, channel, address, scope, reason, detail, source, expires_at FROM given
                {_UNITED}
                RETURNING s.*, (xmax = 0) AS is_new
            ), noted AS (
                INSERT INTO suppression_history
                    (tenant_id, id, channel, address_lower, scope, action, reason, detail, source)
                SELECT $1, g.history_id, k.channel, k.address_lower, k.scope,
                       CASE WHEN k.is_new THEN 'added' ELSE 'changed' END, k.reason, k.detail, k.source
                FROM kept k JOIN given g
                  ON g.channel = k.channel AND g.address = k.address_lower AND g.scope = k.scope
            ), marked AS (
                UPDATE contact c SET status = {_CONTACT_STATUS}, updated_at = now()
                FROM (SELECT DISTINCT ON (address_lower) address_lower, reason FROM kept
                      WHERE channel = 'email' AND reason <> 'soft_bounces' AND expires_at IS NULL
                      ORDER BY address_lower, array_position({_GRAVITY}, reason) DESC) s
                WHERE c.tenant_id = $1 AND c.email_lower = s.address_lower
                  AND c.status NOT IN ('blacklisted', {_CONTACT_STATUS})
            )
            SELECT count(*) FROM kept""",
        tenant_id,
        [uuid7() for _ in distinct],
        [channel for channel, _, _ in distinct],
        [address for _, address, _ in distinct],
        [scope for _, _, scope in distinct],
        [r.reason for r in distinct.values()],
        [r.detail for r in distinct.values()],
        [r.source for r in distinct.values()],
        [r.expires_at for r in distinct.values()],
        [uuid7() for _ in distinct],
    )
    return int(changed)


async def suppressed_reason(
    tx: Tx, tenant_id: UUID, address: str, *, channel: str = "email", marketing: bool = True
) -> str | None:
    """Why an address must not be written to now; None when it may. Without `marketing`, only scope `all`."""
    reason: str | None = await tx.fetchval(
        """SELECT reason FROM suppression
           WHERE tenant_id = $1 AND channel = $2 AND address_lower = lower($3) AND (scope = 'all' OR $4)
             AND (expires_at IS NULL OR expires_at > now())
           ORDER BY scope LIMIT 1""",
        tenant_id,
        channel,
        address,
        marketing,
    )
    return reason


async def find(tx: Tx, tenant_id: UUID, channel: str, address: str, scope: str) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"""SELECT {_COLUMNS} FROM suppression
            WHERE tenant_id = $1 AND channel = $2 AND address_lower = lower($3) AND scope = $4""",
        tenant_id,
        channel,
        address,
        scope,
    )
    return dict(row) if row else None


async def page(
    tx: Tx, tenant_id: UUID, filters: dict[str, str | None], after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Latest first. `filters` may hold q (part of the address), channel, scope and reason."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM suppression
            WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2)
              AND ($3::text IS NULL OR strpos(address_lower, lower($3)) > 0)
              AND ($4::text IS NULL OR channel = $4) AND ($5::text IS NULL OR scope = $5)
              AND ($6::text IS NULL OR reason = $6)
            ORDER BY id DESC LIMIT $7""",
        tenant_id,
        after,
        filters.get("q"),
        filters.get("channel"),
        filters.get("scope"),
        filters.get("reason"),
        limit,
    )
    return [dict(row) for row in rows]


async def history(
    tx: Tx, tenant_id: UUID, address: str | None, after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """What happened, latest first; of one address when it is given."""
    rows = await tx.fetch(
        f"""SELECT {_HISTORY} FROM suppression_history
            WHERE tenant_id = $1 AND ($2::text IS NULL OR address_lower = lower($2))
              AND ($3::uuid IS NULL OR id < $3)
            ORDER BY id DESC LIMIT $4""",
        tenant_id,
        address,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def lift(
    tx: Tx,
    tenant_id: UUID,
    *,
    suppression_id: UUID | None = None,
    channel: str | None = None,
    address: str | None = None,
    scope: str | None = None,
    source: str | None = None,
) -> int:
    """Delete one suppression by id, or those of an address; how many. Contacts become usable again."""
    rows = await tx.fetch(
        """DELETE FROM suppression
           WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id = $2)
             AND ($2::uuid IS NOT NULL
                  OR (channel = $3 AND address_lower = lower($4) AND ($5::text IS NULL OR scope = $5)))
           RETURNING channel, address_lower, scope, reason, detail""",
        tenant_id,
        suppression_id,
        channel,
        address,
        scope,
    )
    for row in rows:
        await tx.execute(
            """INSERT INTO suppression_history
                   (tenant_id, id, channel, address_lower, scope, action, reason, detail, source)
               VALUES ($1, $2, $3, $4, $5, 'lifted', $6, $7, $8)""",
            tenant_id,
            uuid7(),
            *row,
            source,
        )
    await _free_contacts(tx, tenant_id, [row["address_lower"] for row in rows if row["channel"] == "email"])
    return len(rows)


async def _free_contacts(tx: Tx, tenant_id: UUID, addresses: list[str]) -> None:
    await tx.execute(
        """UPDATE contact c SET status = 'valid', updated_at = now()
           WHERE c.tenant_id = $1 AND c.email_lower = ANY($2::text[])
             AND c.status IN ('unsubscribed', 'blacklisted', 'invalid')
             AND NOT EXISTS (SELECT 1 FROM suppression s
                             WHERE s.tenant_id = $1 AND s.channel = 'email'
                               AND s.address_lower = c.email_lower
                               AND (s.expires_at IS NULL OR s.expires_at > now()))""",
        tenant_id,
        addresses,
    )


@dataclass(frozen=True, slots=True)
class Person:
    """All contacts that one person has been, and all their lower-cased addresses."""

    ids: tuple[UUID, ...]
    addresses: tuple[str, ...]


async def people(tx: Tx, tenant_id: UUID, contact_ids: Iterable[UUID]) -> dict[UUID, Person]:
    """The person behind each contact: itself, what it was merged into, and what was merged into that."""
    rows = await tx.fetch(
        """WITH asked AS (
               SELECT a.id AS asked_id, coalesce(m.kept_id, a.id) AS kept_id
               FROM unnest($2::uuid[]) AS a (id)
               LEFT JOIN contact_merge m ON m.tenant_id = $1 AND m.contact_id = a.id)
           SELECT a.asked_id, c.id, c.email_lower FROM asked a
           JOIN contact c ON c.tenant_id = $1 AND c.id = a.kept_id
           UNION ALL
           SELECT a.asked_id, m.contact_id, m.email_lower FROM asked a
           JOIN contact_merge m ON m.tenant_id = $1 AND m.kept_id = a.kept_id""",
        tenant_id,
        sorted(set(contact_ids)),
    )
    found: defaultdict[UUID, list[tuple[UUID, str | None]]] = defaultdict(list)
    for row in rows:
        found[row["asked_id"]].append((row["id"], row["email_lower"]))
    return {
        asked: Person(tuple(i for i, _ in parts), tuple(address for _, address in parts if address))
        for asked, parts in found.items()
    }


async def soft_streaks(tx: Tx, tenant_id: UUID, contact_ids: Iterable[UUID], least: int) -> dict[UUID, str]:
    """Contacts with at least `least` soft bounces in a row, to their addresses.

    A row ends with a delivery, by the times of the facts, and with a suppression for soft bounces: an address
    that comes back after one starts anew.
    """
    rows = await tx.fetch(
        """SELECT c.id, c.email_lower FROM contact c
           WHERE c.tenant_id = $1 AND c.id = ANY($2::uuid[]) AND c.email_lower IS NOT NULL
             AND (SELECT count(*) FROM message_event e
                  WHERE e.tenant_id = $1 AND e.contact_id = c.id AND e.type = 'bounced'
                    AND e.bounce_class = 'soft'
                    AND e.occurred_at > coalesce(
                      (SELECT max(d.occurred_at) FROM message_event d
                       WHERE d.tenant_id = $1 AND d.contact_id = c.id AND d.type = 'delivered'), '-infinity')
                    AND e.received_at > coalesce(
                      (SELECT max(h.occurred_at) FROM suppression_history h
                       WHERE h.tenant_id = $1 AND h.channel = 'email' AND h.address_lower = c.email_lower
                         AND h.reason = 'soft_bounces' AND h.action <> 'lifted'), '-infinity')) >= $3""",
        tenant_id,
        sorted(set(contact_ids)),
        least,
    )
    return {row["id"]: row["email_lower"] for row in rows}
