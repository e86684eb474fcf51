"""SQL of hits and unsubscribes, in a tenant's transaction or, over several tenants, in a system one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.tracking.hits import Click, Hit, Person
from campaign_service.tracking.verdict import BURST_WINDOW, Verdict
from shared.database import Tx
from shared.utils import uuid7


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """What is needed of a recipient to judge and record hits."""

    email: str
    variant: int
    reached_at: datetime | None
    first_opened_at: datetime | None
    first_clicked_at: datetime | None


def _columns(people: Iterable[Person]) -> tuple[list[UUID], list[UUID], list[UUID]]:
    ordered = sorted(set(people))
    return [p[0] for p in ordered], [p[1] for p in ordered], [p[2] for p in ordered]


async def lock_recipients(tx: Tx, people: Iterable[Person]) -> dict[Person, RecipientRow]:
    """The recipients there are, locked in the order of their keys, so that no two batches wait in a ring."""
    rows = await tx.fetch(
        """SELECT tenant_id, campaign_id, contact_id, email, variant, coalesce(delivered_at,
           accepted_at) AS reached_at,
                  first_opened_at, first_clicked_at
           FROM campaign_recipient
           WHERE (tenant_id, campaign_id, contact_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[],
             $3::uuid[]))
           ORDER BY tenant_id, campaign_id, contact_id FOR UPDATE""",
        *_columns(people),
    )
    return {
        (row["tenant_id"], row["campaign_id"], row["contact_id"]): RecipientRow(
            row["email"], row["variant"], row["reached_at"], row["first_opened_at"], row["first_clicked_at"]
        )
        for row in rows
    }


async def links(tx: Tx, campaigns: Iterable[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], list[str]]:
    """(tenant, campaign) to its URLs, in the order of their indexes."""
    keys = sorted(set(campaigns))
    rows = await tx.fetch(
        """SELECT tenant_id, campaign_id, url FROM campaign_link
           WHERE (tenant_id, campaign_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
           ORDER BY tenant_id, campaign_id, link_index""",
        [key[0] for key in keys],
        [key[1] for key in keys],
    )
    found: dict[tuple[UUID, UUID], list[str]] = defaultdict(list)
    for row in rows:
        found[row["tenant_id"], row["campaign_id"]].append(row["url"])
    return found


async def clicks_near(tx: Tx, hits: Sequence[Hit]) -> dict[Person, list[Click]]:
    """Clicks on record of these people, from just before the first of the hits to just after the last."""
    if not hits:
        return {}
    # By = ANY and times, which leave the planner index and partitions; people too many do no harm.
    tenants, campaigns, contacts = _columns(hit.person for hit in hits)
    rows = await tx.fetch(
        """SELECT tenant_id, campaign_id, contact_id, link_index, occurred_at, verdict, dedupe_key,
                  detail->>'method' AS method
           FROM message_event
           WHERE tenant_id = ANY($1::uuid[]) AND campaign_id = ANY($2::uuid[])
             AND contact_id = ANY($3::uuid[]) AND occurred_at BETWEEN $4 AND $5 AND type = 'clicked'""",
        list(set(tenants)),
        list(set(campaigns)),
        contacts,
        min(hit.at for hit in hits) - BURST_WINDOW,
        max(hit.at for hit in hits) + BURST_WINDOW,
    )
    found: dict[Person, list[Click]] = defaultdict(list)
    for row in rows:
        click = Click(
            row["link_index"], row["occurred_at"], row["method"] or "GET", row["verdict"], row["dedupe_key"]
        )
        found[row["tenant_id"], row["campaign_id"], row["contact_id"]].append(click)
    return found


async def insert_hits(tx: Tx, judged: Sequence[tuple[Hit, Verdict]]) -> set[bytes]:
    """Record hits; the keys of those that were not there yet."""
    ordered = sorted(judged, key=lambda pair: pair[0].dedupe_key)
    rows = await tx.fetch(
        """INSERT INTO message_event
             (tenant_id, id, campaign_id, contact_id, type, occurred_at, verdict, link_index, detail,
               dedupe_key)
           SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[],
                                $7::text[], $8::int[], $9::jsonb[], $10::bytea[])
           ON CONFLICT DO NOTHING RETURNING dedupe_key""",
        [hit.tenant_id for hit, _ in ordered],
        [uuid7() for _ in ordered],
        [hit.campaign_id for hit, _ in ordered],
        [hit.contact_id for hit, _ in ordered],
        ["opened" if hit.kind == "open" else "clicked" for hit, _ in ordered],
        [hit.at for hit, _ in ordered],
        [verdict for _, verdict in ordered],
        [hit.link_index for hit, _ in ordered],
        [_detail(hit) for hit, _ in ordered],
        [hit.dedupe_key for hit, _ in ordered],
    )
    return {row["dedupe_key"] for row in rows}


def _detail(hit: Hit) -> dict[str, str]:
    return {
        "user_agent": hit.user_agent,
        "visitor": hit.visitor,
        "method": hit.method,
        "source": hit.source,
    }


async def known_keys(tx: Tx, hits: Sequence[Hit]) -> set[bytes]:
    """Which of the hits are on record already."""
    if not hits:
        return set()
    rows = await tx.fetch(
        """SELECT dedupe_key FROM message_event
           WHERE tenant_id = ANY($1::uuid[]) AND dedupe_key = ANY($2::bytea[])
             AND occurred_at BETWEEN $3 AND $4""",
        list({hit.tenant_id for hit in hits}),
        [hit.dedupe_key for hit in hits],
        min(hit.at for hit in hits),
        max(hit.at for hit in hits),
    )
    return {row["dedupe_key"] for row in rows}


async def change_verdicts(tx: Tx, tenant_id: UUID, clicks: Sequence[Click]) -> None:
    await tx.execute(
        """UPDATE message_event e SET verdict = u.verdict
           FROM unnest($2::bytea[], $3::timestamptz[], $4::text[]) AS u (dedupe_key, occurred_at, verdict)
           WHERE e.tenant_id = $1 AND e.dedupe_key = u.dedupe_key AND e.occurred_at = u.occurred_at""",
        tenant_id,
        [click.dedupe_key for click in clicks],
        [click.at for click in clicks],
        [click.verdict for click in clicks],
    )


async def first_human_click(tx: Tx, person: Person) -> datetime | None:
    """The earliest click on record that is still held to be a person's."""
    found: datetime | None = await tx.fetchval(
        """SELECT min(occurred_at) FROM message_event
           WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = $3 AND type = 'clicked'
             AND verdict = 'human'""",
        *person,
    )
    return found


async def set_firsts(tx: Tx, firsts: dict[Person, tuple[datetime | None, datetime | None]]) -> None:
    """Write the times of the first human open and click of recipients."""
    ordered = sorted(firsts)
    await tx.execute(
        """UPDATE campaign_recipient r SET first_opened_at = u.opened, first_clicked_at = u.clicked
           FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[])
             AS u (tenant_id, campaign_id, contact_id, opened, clicked)
           WHERE r.tenant_id = u.tenant_id AND r.campaign_id = u.campaign_id
             AND r.contact_id = u.contact_id""",
        [p[0] for p in ordered],
        [p[1] for p in ordered],
        [p[2] for p in ordered],
        [firsts[p][0] for p in ordered],
        [firsts[p][1] for p in ordered],
    )


async def add_link_clicks(tx: Tx, changes: dict[tuple[UUID, UUID, int], dict[str, int]]) -> None:
    """Count clicks on links up or down, by verdict (`human`, `scanner`, `unknown`)."""
    ordered = sorted(changes)
    await tx.execute(
        """UPDATE campaign_link l
           SET clicks_human = clicks_human + u.human, clicks_scanner = clicks_scanner + u.scanner,
               clicks_unknown = clicks_unknown + u.unknown
           FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::int[], $6::int[])
             AS u (tenant_id, campaign_id, link_index, human, scanner, unknown)
           WHERE l.tenant_id = u.tenant_id AND l.campaign_id = u.campaign_id
             AND l.link_index = u.link_index""",
        [key[0] for key in ordered],
        [key[1] for key in ordered],
        [key[2] for key in ordered],
        *([changes[key].get(verdict, 0) for key in ordered] for verdict in ("human", "scanner", "unknown")),
    )


async def subscription(tx: Tx, person: Person) -> dict[str, Any] | None:
    """Address, variant and time of unsubscribing of a recipient; locked. None when the campaign is gone."""
    row = await tx.fetchrow(
        """SELECT email, variant, unsubscribed_at FROM campaign_recipient
           WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = $3 FOR UPDATE""",
        *person,
    )
    return dict(row) if row else None


async def contact_email(tx: Tx, tenant_id: UUID, contact_id: UUID) -> str | None:
    email: str | None = await tx.fetchval(
        "SELECT email FROM contact WHERE tenant_id = $1 AND id = $2", tenant_id, contact_id
    )
    return email


async def message_email(tx: Tx, tenant_id: UUID, message_id: UUID) -> str | None:
    """Whom a single mail went to; None also for who was erased since."""
    email: str | None = await tx.fetchval(
        """SELECT recipient_email FROM message
           WHERE tenant_id = $1 AND id = $2 AND recipient_email NOT LIKE '%@erased.invalid'""",
        tenant_id,
        message_id,
    )
    return email


async def set_unsubscribed(tx: Tx, person: Person, at: datetime, via: str, dedupe_key: bytes) -> None:
    """Mark the recipient and record the event."""
    await tx.execute(
        """UPDATE campaign_recipient SET unsubscribed_at = $4
           WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id = $3""",
        *person,
        at,
    )
    await tx.execute(
        """INSERT INTO message_event
             (tenant_id, campaign_id, contact_id, id, type, occurred_at, verdict, detail, dedupe_key)
           VALUES ($1, $2, $3, $4, 'unsubscribed', $5, 'human', $6, $7)""",
        *person,
        uuid7(),
        at,
        {"via": via},
        dedupe_key,
    )
