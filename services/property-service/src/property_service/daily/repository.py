"""SQL of turns: who is noticed and served for which month."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from property_service.daily.calendar import Kind
from shared.database import Tx


async def tenants(tx: Tx) -> list[UUID]:
    """Tenants that have clients to serve, in a `system_tx`."""
    rows = await tx.fetch(
        "SELECT DISTINCT tenant_id FROM client WHERE status = 'active' AND deleted_at IS NULL ORDER BY 1"
    )
    return [row["tenant_id"] for row in rows]


async def time_zones(tx: Tx, tenant_id: UUID) -> list[str]:
    """Where the tenant's clients are."""
    rows = await tx.fetch(
        "SELECT DISTINCT time_zone FROM client"
        " WHERE tenant_id = $1 AND status = 'active' AND deleted_at IS NULL ORDER BY 1",
        tenant_id,
    )
    return [row["time_zone"] for row in rows]


async def done_with(tx: Tx, tenant_id: UUID, period: date, kind: Kind) -> set[UUID]:
    """Clients who had their turn of a period; whoever was served has nothing to be announced any more."""
    rows = await tx.fetch(
        "SELECT client_id FROM client_turn WHERE tenant_id = $1 AND period = $2 AND kind IN ($3, 'report')",
        tenant_id,
        period,
        kind,
    )
    return {row["client_id"] for row in rows}


async def take(
    tx: Tx, tenant_id: UUID, client_id: UUID, kind: Kind, period: date, due_on: date, now: datetime
) -> bool:
    """True for the one transaction that may take the turn; another one waits until that has ended."""
    inserted = await tx.affected(
        "INSERT INTO client_turn (tenant_id, client_id, period, kind, due_on, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, client_id, period, kind) DO NOTHING",
        tenant_id,
        client_id,
        period,
        kind,
        due_on,
        now,
    )
    return inserted == 1


async def note_job(tx: Tx, tenant_id: UUID, client_id: UUID, period: date, job_id: UUID) -> None:
    await tx.execute(
        "UPDATE client_turn SET job_id = $4"
        " WHERE tenant_id = $1 AND client_id = $2 AND period = $3 AND kind = 'report'",
        tenant_id,
        client_id,
        period,
        job_id,
    )
