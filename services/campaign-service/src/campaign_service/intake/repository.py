"""Whose mail a reference names."""

from __future__ import annotations

from uuid import UUID

from shared.database import Tx


async def tenant_of_campaign(tx: Tx, campaign_id: UUID) -> UUID | None:
    """To be asked in a system transaction: the reference carries no tenant, and its key proves it is ours."""
    tenant_id: UUID | None = await tx.fetchval("SELECT tenant_id FROM campaign WHERE id = $1", campaign_id)
    return tenant_id
