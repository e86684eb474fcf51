"""SQL of Fienta's accounts: each tenant's sealed settings, and who works with an account just now."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.database import Tx


async def get(tx: Tx, tenant_id: UUID, *, lock: bool = False) -> dict[str, Any] | None:
    """`sealed`, `updated_at` and `updated_by`; None when nothing is stored."""
    row = await tx.fetchrow(
        "SELECT sealed, updated_at, updated_by FROM fienta_account WHERE tenant_id = $1"
        + (" FOR UPDATE" if lock else ""),
        tenant_id,
    )
    return dict(row) if row else None


async def put(tx: Tx, tenant_id: UUID, sealed: bytes, by: str, now: datetime) -> None:
    """Store, in place of what was there."""
    await tx.execute(
        """INSERT INTO fienta_account (tenant_id, sealed, updated_at, updated_by) VALUES ($1, $2, $3, $4)
           ON CONFLICT (tenant_id) DO UPDATE
           SET sealed = excluded.sealed, updated_at = excluded.updated_at,
               updated_by = excluded.updated_by""",
        tenant_id,
        sealed,
        now,
        by,
    )


async def delete(tx: Tx, tenant_id: UUID) -> bool:
    """False when nothing was stored."""
    return await tx.affected("DELETE FROM fienta_account WHERE tenant_id = $1", tenant_id) > 0


async def take_lease(tx: Tx, account: bytes, token: UUID, seconds: float) -> bool:
    """Get or keep an account for `seconds` by the database's clock; False while somebody else has it."""
    taken = await tx.fetchval(
        """INSERT INTO fienta_lease AS l (account, token, until) VALUES ($1, $2, now() + $3)
           ON CONFLICT (account) DO UPDATE SET token = excluded.token, until = excluded.until
           WHERE l.token = excluded.token OR l.until <= now()
           RETURNING true""",
        account,
        token,
        timedelta(seconds=seconds),
    )
    return bool(taken)


async def release_lease(tx: Tx, account: bytes, token: UUID) -> None:
    """Give the account back, if it is still held."""
    await tx.execute("DELETE FROM fienta_lease WHERE account = $1 AND token = $2", account, token)
