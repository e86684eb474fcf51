"""SQL of delivery webhooks, a batch at a time. Every statement is in the tenant's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from campaign_service.deliveries.merge import RecipientFacts
from campaign_service.deliveries.rows import DeliveryRow, RowIssue
from shared.database import Tx
from shared.utils import uuid7

RecipientKey = tuple[UUID, UUID]
_EVENT_TYPES = {
    "delivered": "delivered",
    "deferred": "deferred",
    "bounced": "bounced",
    "complained": "complained",
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A row and whose mail it speaks of: a campaign's, a single message's, or one of which only the contact
    is known. A message may have gone to nobody's contact.
    """

    row: DeliveryRow
    campaign_id: UUID | None
    contact_id: UUID | None
    message_id: UUID | None = None

    @property
    def key(self) -> RecipientKey | None:
        """The recipient of a campaign."""
        if self.campaign_id is None or self.contact_id is None:
            return None
        return self.campaign_id, self.contact_id


async def contacts_by_address(tx: Tx, tenant_id: UUID, addresses: Iterable[str]) -> dict[str, UUID]:
    """Lower-cased address to contact."""
    rows = await tx.fetch(
        "SELECT email_lower, id FROM contact WHERE tenant_id = $1 AND email_lower = ANY($2::text[])",
        tenant_id,
        sorted(set(addresses)),
    )
    return {row["email_lower"]: row["id"] for row in rows}


async def campaigns_by_ref(tx: Tx, tenant_id: UUID, refs: Iterable[str]) -> dict[str, UUID]:
    """What other senders call our campaigns, to our ids."""
    rows = await tx.fetch(
        "SELECT external_ref, id FROM campaign WHERE tenant_id = $1 AND external_ref = ANY($2::text[])",
        tenant_id,
        sorted(set(refs)),
    )
    return {row["external_ref"]: row["id"] for row in rows}


@dataclass(frozen=True, slots=True)
class LockedRecipient:
    email: str
    variant: int
    facts: RecipientFacts


async def lock_recipients(
    tx: Tx, tenant_id: UUID, keys: Iterable[RecipientKey]
) -> dict[RecipientKey, LockedRecipient]:
    """The recipients there are, locked in the order of their keys."""
    ordered = sorted(set(keys))
    rows = await tx.fetch(
        """SELECT campaign_id, contact_id, email, variant, state, accepted_at, delivered_at, bounced_at,
           bounce_class,
                  complained_at, updated_at
           FROM campaign_recipient
           WHERE tenant_id = $1 AND (campaign_id, contact_id) IN (SELECT * FROM unnest($2::uuid[],
             $3::uuid[]))
           ORDER BY campaign_id, contact_id FOR UPDATE""",
        tenant_id,
        [key[0] for key in ordered],
        [key[1] for key in ordered],
    )
    return {(row["campaign_id"], row["contact_id"]): _locked(dict(row)) for row in rows}


def _locked(row: Mapping[str, Any]) -> LockedRecipient:
    facts = RecipientFacts(
        state=row["state"],
        accepted_at=row["accepted_at"],
        delivered_at=row["delivered_at"],
        bounced_at=row["bounced_at"],
        bounce_class=row["bounce_class"],
        complained_at=row["complained_at"],
        updated_at=row["updated_at"],
    )
    return LockedRecipient(row["email"], row["variant"], facts)


async def insert_events(
    tx: Tx, tenant_id: UUID, placed: Sequence[Placed], inbound_id: UUID, received_at: datetime
) -> set[bytes]:
    """Record rows; the keys of those that were not on record before."""
    ordered = sorted(placed, key=lambda p: p.row.dedupe_key)
    rows = await tx.fetch(
        """INSERT INTO message_event
             (tenant_id, id, campaign_id, contact_id, type, occurred_at, received_at, bounce_class,
               detail, dedupe_key)
           SELECT $1, u.id, u.campaign_id, u.contact_id, u.type, u.occurred_at, $2, u.bounce_class,
             u.detail, u.key
           FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::timestamptz[], $8::text[],
             $9::jsonb[],
                       $10::bytea[])
             AS u (id, campaign_id, contact_id, type, occurred_at, bounce_class, detail, key)
           ON CONFLICT DO NOTHING RETURNING dedupe_key""",
        tenant_id,
        received_at,
        [uuid7() for _ in ordered],
        [p.campaign_id for p in ordered],
        [p.contact_id for p in ordered],
        [_EVENT_TYPES[p.row.fact] for p in ordered],
        [p.row.occurred_at for p in ordered],
        [p.row.bounce_class for p in ordered],
        [_detail(p, inbound_id) for p in ordered],
        [p.row.dedupe_key for p in ordered],
    )
    return {row["dedupe_key"] for row in rows}


def _detail(placed: Placed, inbound_id: UUID) -> dict[str, str]:
    """What a server said may name its addressee: without a contact to be erased with, the message has it."""
    said = placed.row.detail if placed.contact_id is not None else {}
    detail = said | {"record": placed.row.record_type, "inbound_id": str(inbound_id)}
    return detail | ({"message_id": str(placed.message_id)} if placed.message_id else {})


@dataclass(frozen=True, slots=True)
class RecipientChange:
    """A recipient's new facts, and the last words of its mail server (None: keep what is there)."""

    facts: RecipientFacts
    last_code: str | None
    last_detail: str | None


async def update_recipients(
    tx: Tx, tenant_id: UUID, changes: Mapping[RecipientKey, RecipientChange], now: datetime
) -> None:
    """Write new facts. A lease ends with it, so that a sender that still holds one can no longer write."""
    ordered = sorted(changes)
    facts = [changes[key].facts for key in ordered]
    await tx.execute(
        """UPDATE campaign_recipient r
           SET state = u.state, accepted_at = u.accepted_at, delivered_at = u.delivered_at,
             bounced_at = u.bounced_at,
               bounce_class = u.bounce_class, complained_at = u.complained_at, lease_token = NULL,
                 lease_until = NULL,
               last_code = coalesce(u.last_code, r.last_code), last_detail = coalesce(u.last_detail,
                 r.last_detail),
               updated_at = $2
           FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[], $7::timestamptz[],
             $8::timestamptz[],
                       $9::text[], $10::timestamptz[], $11::text[], $12::text[])
             AS u (campaign_id, contact_id, state, accepted_at, delivered_at, bounced_at, bounce_class,
               complained_at,
                   last_code, last_detail)
           WHERE r.tenant_id = $1 AND r.campaign_id = u.campaign_id AND r.contact_id = u.contact_id""",
        tenant_id,
        now,
        [key[0] for key in ordered],
        [key[1] for key in ordered],
        [f.state for f in facts],
        [f.accepted_at for f in facts],
        [f.delivered_at for f in facts],
        [f.bounced_at for f in facts],
        [f.bounce_class for f in facts],
        [f.complained_at for f in facts],
        [changes[key].last_code for key in ordered],
        [changes[key].last_detail for key in ordered],
    )


Source = Literal["powermta", "mailwizz", "mail"]


async def add_issues(
    tx: Tx, tenant_id: UUID, source: Source, issues: Sequence[RowIssue], inbound_id: UUID, now: datetime
) -> int:
    """Keep rows that could not be applied; how many were not known before."""
    return await tx.affected(
        """INSERT INTO delivery_issue
             (tenant_id, id, source, kind, reason, record_type, address, inbound_id, row_number, raw,
               occurred_at,
              created_at, dedupe_key)
           SELECT $1, u.id, $2, u.kind, u.reason, u.record_type, u.address, $3, u.number, u.raw,
             u.occurred_at, $4, u.key
           FROM unnest($5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::int[], $11::text[],
                       $12::timestamptz[], $13::bytea[])
             AS u (id, kind, reason, record_type, address, number, raw, occurred_at, key)
           ON CONFLICT DO NOTHING""",
        tenant_id,
        source,
        inbound_id,
        now,
        [uuid7() for _ in issues],
        [i.kind for i in issues],
        [i.reason for i in issues],
        [i.record_type for i in issues],
        [i.address for i in issues],
        [i.number for i in issues],
        [i.raw for i in issues],
        [i.occurred_at for i in issues],
        [i.dedupe_key for i in issues],
    )


async def issues(
    tx: Tx, tenant_id: UUID, kind: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[dict[str, Any]]:
    """Rows that could not be applied, the latest first, those after (created_at, id) `after`."""
    created_at, last_id = after or (None, None)
    rows = await tx.fetch(
        """SELECT id, source, kind, reason, record_type, address, inbound_id, row_number, raw,
           occurred_at, created_at
           FROM delivery_issue
           WHERE tenant_id = $1 AND ($2::text IS NULL OR kind = $2)
             AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
           ORDER BY created_at DESC, id DESC LIMIT $5""",
        tenant_id,
        kind,
        created_at,
        last_id,
        limit,
    )
    return [dict(row) for row in rows]


async def ensure_partitions(tx: Tx) -> int:
    """Make the event partitions of this month and the next three; how many were missing."""
    made: int = await tx.fetchval("SELECT ensure_message_event_partitions(3)")
    return made
