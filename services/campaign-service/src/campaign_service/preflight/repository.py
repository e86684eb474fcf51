"""SQL of the preflight."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shared.database import Tx


async def last_import(tx: Tx, tenant_id: UUID) -> datetime | None:
    """When contacts were last brought in: by a file, or one by one."""
    at: datetime | None = await tx.fetchval(
        """SELECT greatest(
             (SELECT max(finished_at) FROM contact_import WHERE tenant_id = $1 AND status = 'completed'),
             (SELECT created_at FROM contact WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1))""",
        tenant_id,
    )
    return at
