"""SQL of the settings of tracking."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shared.database import Tx


async def has_link_trap(tx: Tx, tenant_id: UUID) -> bool:
    """Whether mails have a link that no person sees. A tenant that never said so has none."""
    return bool(await tx.fetchval("SELECT link_trap FROM tracking_settings WHERE tenant_id = $1", tenant_id))


async def save(tx: Tx, tenant_id: UUID, link_trap: bool, user_id: UUID, now: datetime) -> None:
    await tx.execute(
        """INSERT INTO tracking_settings AS s (tenant_id, link_trap, updated_by, updated_at)
           VALUES ($1, $2, $3, $4)
           ON CONFLICT (tenant_id) DO UPDATE SET
             link_trap = excluded.link_trap, updated_by = excluded.updated_by,
             updated_at = excluded.updated_at""",
        tenant_id,
        link_trap,
        user_id,
        now,
    )
