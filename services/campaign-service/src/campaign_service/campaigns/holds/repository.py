"""SQL of recipients who are held or wait for their hour.

Held is who is queued with `next_attempt_at = 'infinity'`: no sender takes them and their campaign goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shared.database import Tx

HELD = "state = 'queued' AND next_attempt_at = 'infinity'::timestamptz"


async def campaigns_at_work(tx: Tx) -> list[tuple[UUID, UUID]]:
    """(tenant, campaign) of all tenants where somebody may be held, has an hour, or a test has no winner."""
    rows = await tx.fetch(
        """SELECT tenant_id, id FROM campaign
           WHERE status = 'sending' AND (code_pool IS NOT NULL OR send_window IS NOT NULL)
           UNION
           SELECT c.tenant_id, c.id FROM campaign c
           JOIN campaign_test t ON t.tenant_id = c.tenant_id AND t.campaign_id = c.id
           WHERE c.status = 'sending'
           UNION
           SELECT c.tenant_id, c.id FROM campaign_test t
           JOIN campaign c ON c.tenant_id = t.tenant_id AND c.id = t.campaign_id
           WHERE t.winner IS NULL AND t.automatic AND c.status IN ('sent', 'partially_failed')
           UNION
           SELECT tenant_id, campaign_id FROM code_request"""
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def tenant_zone(tx: Tx, tenant_id: UUID) -> str | None:
    zone: str | None = await tx.fetchval(
        "SELECT time_zone FROM tenant_time_zone WHERE tenant_id = $1", tenant_id
    )
    return zone


async def remember_zone(tx: Tx, tenant_id: UUID, zone: str, said_at: datetime) -> None:
    """What was said last counts, in whatever order it is heard."""
    await tx.execute(
        """INSERT INTO tenant_time_zone AS z (tenant_id, time_zone, said_at) VALUES ($1, $2, $3)
           ON CONFLICT (tenant_id) DO UPDATE SET time_zone = excluded.time_zone, said_at = excluded.said_at
           WHERE z.said_at <= excluded.said_at""",
        tenant_id,
        zone,
        said_at,
    )


async def contact_zones(tx: Tx, tenant_id: UUID) -> list[str]:
    """What the tenant's contacts say their time zone is; empty for those who say nothing."""
    rows = await tx.fetch(
        "SELECT DISTINCT coalesce(time_zone, '') AS zone FROM contact WHERE tenant_id = $1", tenant_id
    )
    return [row["zone"] for row in rows]


async def put_off(tx: Tx, tenant_id: UUID, campaign_id: UUID, closed: Sequence[tuple[str, datetime]]) -> int:
    """Nobody in a zone is tried before its time; (zone, time) each."""
    return await tx.affected(
        """UPDATE campaign_recipient r SET next_attempt_at = u.opens
           FROM unnest($3::text[], $4::timestamptz[]) AS u (zone, opens)
           WHERE r.tenant_id = $1 AND r.campaign_id = $2 AND r.state IN ('queued', 'failed_retry')
             AND r.send_zone = u.zone AND (r.next_attempt_at IS NULL OR r.next_attempt_at < u.opens)""",
        tenant_id,
        campaign_id,
        [zone for zone, _ in closed],
        [opens for _, opens in closed],
    )


async def release(
    tx: Tx,
    tenant_id: UUID,
    campaign_id: UUID,
    winner: int | None,
    moments: Sequence[tuple[str, datetime | None]],
    limit: int,
) -> int:
    """Let up to `limit` held recipients go, those without a variant with the winner's; how many."""
    return await tx.affected(
        f"""UPDATE campaign_recipient r
            SET variant = CASE WHEN r.variant = 0 THEN $3::smallint ELSE r.variant END,
                next_attempt_at = ($5::timestamptz[])[array_position($4::text[], r.send_zone)]
            WHERE r.tenant_id = $1 AND r.campaign_id = $2 AND {HELD}
              AND r.contact_id = ANY(ARRAY(
                SELECT contact_id FROM campaign_recipient
                WHERE tenant_id = $1 AND campaign_id = $2 AND {HELD}
                  AND (variant > 0 OR $3::smallint IS NOT NULL)
                ORDER BY variant, contact_id LIMIT $6 FOR UPDATE SKIP LOCKED))""",
        tenant_id,
        campaign_id,
        winner,
        [zone for zone, _ in moments],
        [moment for _, moment in moments],
        limit,
    )


async def is_testing(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> bool:
    """Whether anybody of the test group still waits or is in flight; who has no variant is not in it."""
    testing: bool = await tx.fetchval(
        f"""SELECT EXISTS (SELECT 1 FROM campaign_recipient
                           WHERE tenant_id = $1 AND campaign_id = $2 AND state IN ('queued', 'failed_retry')
                             AND next_attempt_at IS NULL)
                OR EXISTS (SELECT 1 FROM campaign_recipient
                           WHERE tenant_id = $1 AND campaign_id = $2 AND state IN ('queued', 'failed_retry')
                             AND next_attempt_at < 'infinity')
                OR EXISTS (SELECT 1 FROM campaign_recipient
                           WHERE tenant_id = $1 AND campaign_id = $2 AND {HELD} AND variant > 0)
                OR EXISTS (SELECT 1 FROM campaign_recipient
                           WHERE tenant_id = $1 AND campaign_id = $2
                             AND state IN ('leased', 'attempting'))""",
        tenant_id,
        campaign_id,
    )
    return testing


async def set_reason(tx: Tx, tenant_id: UUID, campaign_id: UUID, reason: str | None) -> None:
    """Say why a campaign that is being sent does not go on, or that it does again."""
    await tx.execute(
        """UPDATE campaign SET status_reason = $3
           WHERE tenant_id = $1 AND id = $2 AND status = 'sending' AND status_reason IS DISTINCT FROM $3""",
        tenant_id,
        campaign_id,
        reason,
    )


async def clear_reason(tx: Tx, tenant_id: UUID, campaign_id: UUID, reason: str) -> None:
    """The campaign goes on, if this was what kept it."""
    await tx.execute(
        "UPDATE campaign SET status_reason = NULL WHERE tenant_id = $1 AND id = $2 AND status_reason = $3",
        tenant_id,
        campaign_id,
        reason,
    )
