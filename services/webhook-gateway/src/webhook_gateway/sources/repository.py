"""SQL of webhook sources."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import SimpleDatabase, Tx

_COLUMNS = (
    "tenant_id, id, name, type, token_hint, signing_secret, settings, is_enabled, version,"
    " created_at, updated_at"
)


@dataclass(frozen=True, slots=True)
class Source:
    """One row. `signing_secret` is sealed."""

    tenant_id: UUID
    id: UUID
    name: str
    type: str
    token_hint: str
    signing_secret: bytes | None
    settings: dict[str, Any]
    is_enabled: bool
    version: int
    created_at: datetime
    updated_at: datetime


async def insert(tx: Tx, source: Source, token_hash: bytes) -> Source | None:
    """The stored row; None when the tenant already has a source of this name."""
    row = await tx.fetchrow(
        "INSERT INTO webhook_source"
        " (tenant_id, id, name, type, token_hash, token_hint, signing_secret, settings)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant_id, name) DO NOTHING"
        f" RETURNING {_COLUMNS}",
        source.tenant_id,
        source.id,
        source.name,
        source.type,
        token_hash,
        source.token_hint,
        source.signing_secret,
        source.settings,
    )
    return Source(**row) if row else None


async def update(tx: Tx, source: Source, token_hash: bytes | None) -> Source | None:
    """Write all that may change; None when the name is taken. The version grows, so cached copies end."""
    row = await tx.fetchrow(
        "UPDATE webhook_source SET name = $3, is_enabled = $4, signing_secret = $5, settings = $6,"
        " token_hash = coalesce($7, token_hash), token_hint = $8, version = version + 1, updated_at = now()"
        " WHERE tenant_id = $1 AND id = $2 AND NOT EXISTS (SELECT 1 FROM webhook_source other"
        " WHERE other.tenant_id = $1 AND other.name = $3 AND other.id <> $2)"
        f" RETURNING {_COLUMNS}",
        source.tenant_id,
        source.id,
        source.name,
        source.is_enabled,
        source.signing_secret,
        source.settings,
        token_hash,
        source.token_hint,
    )
    return Source(**row) if row else None


async def get(tx: Tx, tenant_id: UUID, source_id: UUID, *, lock: bool = False) -> Source | None:
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM webhook_source WHERE tenant_id = $1 AND id = $2"
        f"{' FOR UPDATE' if lock else ''}",
        tenant_id,
        source_id,
    )
    return Source(**row) if row else None


async def page(tx: Tx, tenant_id: UUID, *, type_: str | None, after: UUID | None, limit: int) -> list[Source]:
    """Newest first."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM webhook_source WHERE tenant_id = $1 AND ($2::text IS NULL OR type = $2)"
        " AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4",
        tenant_id,
        type_,
        after,
        limit,
    )
    return [Source(**row) for row in rows]


async def delete(tx: Tx, tenant_id: UUID, source_id: UUID) -> bool:
    return bool(
        await tx.affected("DELETE FROM webhook_source WHERE tenant_id = $1 AND id = $2", tenant_id, source_id)
    )


async def find_by_token(db: SimpleDatabase, token_hash: bytes) -> Source | None:
    """The enabled source a token opens, of any tenant."""
    async with db.system_tx() as tx:
        row = await tx.fetchrow(
            f"SELECT {_COLUMNS} FROM webhook_source WHERE token_hash = $1 AND is_enabled", token_hash
        )
    return Source(**row) if row else None
