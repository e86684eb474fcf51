"""SQL of rates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

from .buckets import Bucket, Scope

_COLUMNS = "scope, name, per_minute, burst, tokens, refilled_at"


async def tenants(tx: Tx) -> set[UUID]:
    """Tenants whose campaigns have rates to keep."""
    rows = await tx.fetch("SELECT DISTINCT tenant_id FROM sending_limit WHERE per_minute IS NOT NULL")
    return {row["tenant_id"] for row in rows}


async def rows(tx: Tx, tenant_id: UUID, scopes: Sequence[Scope]) -> list[dict[str, Any]]:
    """With addresses, in the order of scope and name."""
    found = await tx.fetch(
        f"""SELECT {_COLUMNS}, ARRAY(SELECT host(a) FROM unnest(addresses) a) AS addresses FROM sending_limit
            WHERE tenant_id = $1 AND scope = ANY($2::text[]) ORDER BY scope, name""",
        tenant_id,
        list(scopes),
    )
    return [dict(row) for row in found]


async def locked(tx: Tx, tenant_id: UUID) -> list[Bucket]:
    """All buckets, for one process at a time."""
    found = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM sending_limit
            WHERE tenant_id = $1 AND per_minute IS NOT NULL ORDER BY scope, name FOR UPDATE""",
        tenant_id,
    )
    return [Bucket(**dict(row)) for row in found]


async def write(tx: Tx, tenant_id: UUID, buckets: Sequence[Bucket]) -> None:
    """What is left in buckets."""
    await tx.execute(
        """UPDATE sending_limit l SET tokens = u.tokens, refilled_at = u.refilled_at
           FROM unnest($2::text[], $3::text[], $4::float8[], $5::timestamptz[])
             AS u (scope, name, tokens, refilled_at)
           WHERE l.tenant_id = $1 AND l.scope = u.scope AND l.name = u.name""",
        tenant_id,
        [bucket.scope for bucket in buckets],
        [bucket.name for bucket in buckets],
        [bucket.tokens for bucket in buckets],
        [bucket.refilled_at for bucket in buckets],
    )


async def put(tx: Tx, tenant_id: UUID, row: dict[str, Any], now: datetime, user_id: UUID) -> None:
    """Store or change; a bucket begins full, and one that is changed keeps what is in it."""
    await tx.execute(
        """INSERT INTO sending_limit AS l
             (tenant_id, scope, name, addresses, per_minute, burst, tokens, refilled_at, updated_by)
           VALUES ($1, $2, $3, $4::text[]::inet[], $5, $6::int, $6::int, $7, $8)
           ON CONFLICT (tenant_id, scope, name) DO UPDATE SET addresses = excluded.addresses,
             per_minute = excluded.per_minute, burst = excluded.burst,
             tokens = least(l.tokens, excluded.burst), updated_by = excluded.updated_by""",
        tenant_id,
        *(row[name] for name in ("scope", "name", "addresses", "per_minute", "burst")),
        now,
        user_id,
    )


async def keep_only(
    tx: Tx, tenant_id: UUID, scopes: Sequence[Scope], kept: Sequence[tuple[str, str]]
) -> None:
    """Delete those of the scopes that are not among (scope, name) `kept`."""
    await tx.execute(
        """DELETE FROM sending_limit
           WHERE tenant_id = $1 AND scope = ANY($2::text[])
             AND NOT EXISTS (SELECT 1 FROM unnest($3::text[], $4::text[]) AS k (scope, name)
                             WHERE k.scope = sending_limit.scope AND k.name = sending_limit.name)""",
        tenant_id,
        list(scopes),
        [scope for scope, _ in kept],
        [name for _, name in kept],
    )
