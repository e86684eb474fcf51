"""SQL of portals and of what was collected from them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

_PORTAL = "portal, access_key_path, created_at, updated_at"
_COLLECTION = """c.id, c.portal, c.options, c.contacts, c.skipped, c.statistics, c.failures, c.import_id,
    c.campaign_id, c.created_at, c.finished_at, c.file_withdrawn_at,
    coalesce(j.progress, '{}') AS progress, j.error,
    CASE WHEN c.finished_at IS NOT NULL THEN 'completed' WHEN j.status = 'failed_permanent' THEN 'failed'
         ELSE coalesce(j.status, 'failed') END AS status"""
_FOUND = ("contacts", "skipped", "statistics", "failures", "import_id", "campaign_id")
_FROM = "netlife_collection c LEFT JOIN job j ON j.tenant_id = c.tenant_id AND j.id = c.id"


async def put_portal(
    tx: Tx, tenant_id: UUID, portal: str, credentials: bytes, access_key_path: str, user_id: UUID
) -> dict[str, Any]:
    """Store or replace; the portal without its credentials."""
    row = await tx.fetchrow(
        f"""INSERT INTO netlife_portal (tenant_id, portal, credentials, access_key_path, updated_by)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (tenant_id, portal) DO UPDATE SET credentials = excluded.credentials,
                access_key_path = excluded.access_key_path, updated_by = excluded.updated_by,
                updated_at = now()
            RETURNING {_PORTAL}""",
        tenant_id,
        portal,
        credentials,
        access_key_path,
        user_id,
    )
    assert row is not None
    return dict(row)


async def portals(tx: Tx, tenant_id: UUID) -> list[dict[str, Any]]:
    """By name, without credentials."""
    rows = await tx.fetch(
        f"SELECT {_PORTAL} FROM netlife_portal WHERE tenant_id = $1 ORDER BY portal", tenant_id
    )
    return [dict(row) for row in rows]


async def portal(tx: Tx, tenant_id: UUID, name: str) -> dict[str, Any] | None:
    """With its sealed credentials."""
    row = await tx.fetchrow(
        f"SELECT {_PORTAL}, credentials FROM netlife_portal WHERE tenant_id = $1 AND portal = $2",
        tenant_id,
        name,
    )
    return dict(row) if row else None


async def delete_portals(tx: Tx, tenant_id: UUID, name: str | None) -> list[str]:
    """Delete one, or all; their names."""
    rows = await tx.fetch(
        """DELETE FROM netlife_portal WHERE tenant_id = $1 AND ($2::text IS NULL OR portal = $2)
           RETURNING portal""",
        tenant_id,
        name,
    )
    return sorted(row["portal"] for row in rows)


async def insert_collection(
    tx: Tx, tenant_id: UUID, collection_id: UUID, name: str, options: dict[str, Any], user_id: UUID
) -> None:
    await tx.execute(
        """INSERT INTO netlife_collection (tenant_id, id, portal, options, created_by)
           VALUES ($1, $2, $3, $4, $5)""",
        tenant_id,
        collection_id,
        name,
        options,
        user_id,
    )


async def collection(tx: Tx, tenant_id: UUID, collection_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {_COLLECTION}, c.created_by FROM {_FROM} WHERE c.tenant_id = $1 AND c.id = $2",
        tenant_id,
        collection_id,
    )
    return dict(row) if row else None


async def collections(tx: Tx, tenant_id: UUID, before: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Latest first."""
    rows = await tx.fetch(
        f"""SELECT {_COLLECTION} FROM {_FROM}
            WHERE c.tenant_id = $1 AND ($2::uuid IS NULL OR c.id < $2) ORDER BY c.id DESC LIMIT $3""",
        tenant_id,
        before,
        limit,
    )
    return [dict(row) for row in rows]


async def finish(tx: Tx, tenant_id: UUID, collection_id: UUID, found: dict[str, Any]) -> None:
    """`found`: contacts, skipped, statistics, failures, import_id and campaign_id."""
    await tx.execute(
        """UPDATE netlife_collection SET contacts = $3, skipped = $4, statistics = $5, failures = $6,
               import_id = $7, campaign_id = $8, finished_at = clock_timestamp()
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        collection_id,
        *(found[name] for name in _FOUND),
    )


async def campaign_to_send(tx: Tx, tenant_id: UUID, import_id: UUID) -> UUID | None:
    """The campaign that was to be sent once the import of a collection is in."""
    found: UUID | None = await tx.fetchval(
        """SELECT campaign_id FROM netlife_collection
           WHERE tenant_id = $1 AND import_id = $2 AND campaign_id IS NOT NULL
             AND (options->'sms_campaign'->>'send')::boolean""",
        tenant_id,
        import_id,
    )
    return found


async def put_parts(tx: Tx, tenant_id: UUID, collection_id: UUID, parts: Sequence[bytes]) -> None:
    await tx.execute(
        """INSERT INTO netlife_collection_part (tenant_id, collection_id, part, content)
           SELECT $1, $2, n, content FROM unnest($3::bytea[]) WITH ORDINALITY AS g(content, n)""",
        tenant_id,
        collection_id,
        list(parts),
    )


async def part(tx: Tx, tenant_id: UUID, collection_id: UUID, number: int) -> bytes | None:
    """Counted from 1."""
    content: bytes | None = await tx.fetchval(
        """SELECT content FROM netlife_collection_part
           WHERE tenant_id = $1 AND collection_id = $2 AND part = $3""",
        tenant_id,
        collection_id,
        number,
    )
    return content


async def withdraw_files(tx: Tx, tenant_id: UUID) -> int:
    """Take the CSV of every collection of the tenant away; of how many."""
    return await tx.affected(
        """WITH gone AS (DELETE FROM netlife_collection_part WHERE tenant_id = $1 RETURNING collection_id)
           UPDATE netlife_collection SET file_withdrawn_at = now()
           WHERE tenant_id = $1 AND id IN (SELECT collection_id FROM gone)""",
        tenant_id,
    )


async def delete_before(tx: Tx, moment: datetime) -> int:
    """Delete collections of all tenants that were asked for before a time, with their CSV."""
    return await tx.affected("DELETE FROM netlife_collection WHERE created_at < $1", moment)
