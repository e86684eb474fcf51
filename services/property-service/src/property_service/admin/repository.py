"""SQL of the administration's figures."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from shared.database import Tx

_COUNTED_EXACTLY = 1_000_000


async def client_count(tx: Tx, tenant_id: UUID) -> int:
    found: int = await tx.fetchval(
        "SELECT count(*) FROM client WHERE tenant_id = $1 AND deleted_at IS NULL", tenant_id
    )
    return found


async def totals(tx: Tx, tenant_id: UUID) -> dict[str, Any]:
    row = await tx.fetchrow(
        """SELECT count(*) AS total_clients, count(*) FILTER (WHERE status = 'active') AS active_clients,
               (SELECT count(*) FROM assignment WHERE tenant_id = $1) AS total_assignments
           FROM client WHERE tenant_id = $1 AND deleted_at IS NULL""",
        tenant_id,
    )
    assert row is not None
    return dict(row)


async def property_count(tx: Tx) -> int:
    """Sales on record: counted, or as estimated by the database where counting would take seconds."""
    estimate: int = await tx.fetchval("SELECT reltuples::bigint FROM pg_class WHERE oid = 'sale'::regclass")
    if estimate > _COUNTED_EXACTLY:
        return estimate
    counted: int = await tx.fetchval("SELECT count(*) FROM sale")
    return counted
