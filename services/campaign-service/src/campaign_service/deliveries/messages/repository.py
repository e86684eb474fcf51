"""SQL of what became of single messages. Every statement is in the tenant's transaction, but for one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from campaign_service.deliveries.merge import RecipientFacts
from campaign_service.deliveries.repository import RecipientChange
from shared.database import Tx

#: What erasure leaves in place of an address.
_ERASED = "erased@erased.invalid"


@dataclass(frozen=True, slots=True)
class LockedMessage:
    email: str
    facts: RecipientFacts

    @property
    def is_erased(self) -> bool:
        """Nobody is to be known by it any more: nothing is kept that a late report says."""
        return self.email == _ERASED


async def tenant_of(tx: Tx, message_id: UUID) -> UUID | None:
    """To be asked in a system transaction: a mail that comes back names its message alone."""
    tenant_id: UUID | None = await tx.fetchval("SELECT tenant_id FROM message WHERE id = $1", message_id)
    return tenant_id


async def lock(tx: Tx, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, LockedMessage]:
    """The mails there are, locked in the order of their ids."""
    rows = await tx.fetch(
        """SELECT id, recipient_email, state, accepted_at, delivered_at, bounced_at, bounce_class,
                  complained_at, updated_at
           FROM message
           WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND channel = 'email' ORDER BY id FOR UPDATE""",
        tenant_id,
        sorted(set(ids)),
    )
    return {
        row["id"]: LockedMessage(
            row["recipient_email"],
            RecipientFacts(
                state=row["state"],
                accepted_at=row["accepted_at"],
                delivered_at=row["delivered_at"],
                bounced_at=row["bounced_at"],
                bounce_class=row["bounce_class"],
                complained_at=row["complained_at"],
                updated_at=row["updated_at"],
            ),
        )
        for row in rows
    }


async def update(tx: Tx, tenant_id: UUID, changes: Mapping[UUID, RecipientChange], now: datetime) -> None:
    """Write new facts. A lease ends with it, so that a worker that still holds one can no longer write."""
    ordered = sorted(changes)
    facts = [changes[key].facts for key in ordered]
    await tx.execute(
        """UPDATE message m
           SET state = u.state, accepted_at = u.accepted_at, delivered_at = u.delivered_at,
               bounced_at = u.bounced_at, bounce_class = u.bounce_class, complained_at = u.complained_at,
               lease_token = NULL, lease_until = NULL, last_code = coalesce(u.last_code, m.last_code),
               last_detail = coalesce(u.last_detail, m.last_detail), updated_at = $2
           FROM unnest($3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
                       $8::text[], $9::timestamptz[], $10::text[], $11::text[])
             AS u (id, state, accepted_at, delivered_at, bounced_at, bounce_class, complained_at, last_code,
                   last_detail)
           WHERE m.tenant_id = $1 AND m.id = u.id""",
        tenant_id,
        now,
        ordered,
        [f.state for f in facts],
        [f.accepted_at for f in facts],
        [f.delivered_at for f in facts],
        [f.bounced_at for f in facts],
        [f.bounce_class for f in facts],
        [f.complained_at for f in facts],
        [changes[key].last_code for key in ordered],
        [changes[key].last_detail for key in ordered],
    )
