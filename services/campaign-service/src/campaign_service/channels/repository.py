"""SQL of providers and their circuits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

_COLUMNS = """tenant_id, id, name, kind, settings, secret, circuit, failures, retry_at, last_error, failed_at,
    updated_at"""
_CLOSED = "circuit = 'closed', failures = 0, retry_at = NULL"


async def providers(tx: Tx, tenant_id: UUID, channel: str = "email") -> list[dict[str, Any]]:
    """In their order, with sealed secrets."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM sending_provider WHERE tenant_id = $1 AND channel = $2 ORDER BY position",
        tenant_id,
        channel,
    )
    return [dict(row) for row in rows]


async def lock(tx: Tx, tenant_id: UUID) -> None:
    """One change of a tenant's providers after the other."""
    key = f"sending_provider/{tenant_id}"
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", key)


async def keep_only(tx: Tx, tenant_id: UUID, names: Sequence[str], channel: str = "email") -> None:
    await tx.execute(
        """DELETE FROM sending_provider
           WHERE tenant_id = $1 AND channel = $2 AND name <> ALL($3::text[])""",
        tenant_id,
        channel,
        list(names),
    )


async def put(tx: Tx, tenant_id: UUID, row: dict[str, Any], user_id: UUID) -> None:
    """Store or replace by name. A provider that is changed gets a new chance: its circuit is closed."""
    await tx.execute(
        f"""INSERT INTO sending_provider
              (tenant_id, id, channel, position, name, kind, settings, secret, updated_by)
            VALUES ($1, $2, 'email', $3, $4, $5, $6, $7, $8)
            ON CONFLICT (tenant_id, channel, name) DO UPDATE SET position = excluded.position,
              id = excluded.id, kind = excluded.kind, settings = excluded.settings,
              secret = excluded.secret, updated_by = excluded.updated_by, updated_at = clock_timestamp(),
              {_CLOSED}""",
        tenant_id,
        *(row[name] for name in ("id", "position", "name", "kind", "settings", "secret")),
        user_id,
    )


async def routes(tx: Tx) -> dict[UUID, tuple[str, int]]:
    """Tenants with providers that are sending: what changes with their settings, and connections wanted."""
    rows = await tx.fetch(
        """SELECT tenant_id, max(updated_at)::text || '/' || count(*) AS version,
                  sum(coalesce((settings->>'connections')::int, 4))::int AS connections
           FROM sending_provider p
           WHERE channel = 'email'
             AND EXISTS (SELECT 1 FROM campaign c WHERE c.tenant_id = p.tenant_id AND c.status = 'sending')
           GROUP BY tenant_id"""
    )
    return {row["tenant_id"]: (row["version"], row["connections"]) for row in rows}


async def failed(
    tx: Tx, tenant_id: UUID, provider_id: UUID, error: str, now: datetime, *, threshold: int
) -> None:
    """Count a failure; at `threshold` in a row, or when it was a trial, the circuit opens: 30 s, then twice
    as long each time, at most 15 minutes."""
    await tx.execute(
        """UPDATE sending_provider
           SET failures = failures + 1, last_error = $3, failed_at = $4,
               circuit = CASE WHEN circuit = 'half_open' OR failures + 1 >= $5 THEN 'open' ELSE circuit END,
               retry_at = CASE WHEN circuit = 'half_open' OR failures + 1 >= $5 THEN
                 $4::timestamptz + least(interval '15 minutes',
                   interval '30 seconds' * power(2, least(greatest(failures + 1 - $5, 0), 10)))
                 ELSE retry_at END
           WHERE tenant_id = $1 AND id = $2 AND (circuit <> 'open' OR retry_at <= $4)""",
        tenant_id,
        provider_id,
        error[:300],
        now,
        threshold,
    )


async def worked(tx: Tx, tenant_id: UUID, provider_id: UUID) -> None:
    await tx.execute(
        f"""UPDATE sending_provider SET {_CLOSED}
            WHERE tenant_id = $1 AND id = $2 AND (circuit <> 'closed' OR failures > 0)""",
        tenant_id,
        provider_id,
    )


async def try_again(tx: Tx, tenant_id: UUID, provider_id: UUID, now: datetime, seconds: float) -> bool:
    """Half-open an open circuit that is due; True for the one caller who may try it for `seconds`."""
    return bool(
        await tx.affected(
            """UPDATE sending_provider
               SET circuit = 'half_open', retry_at = $3::timestamptz + make_interval(secs => $4)
               WHERE tenant_id = $1 AND id = $2 AND circuit <> 'closed' AND retry_at <= $3""",
            tenant_id,
            provider_id,
            now,
            seconds,
        )
    )
