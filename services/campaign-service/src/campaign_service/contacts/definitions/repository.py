"""SQL of custom-field definitions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from shared.database import Tx
from shared.utils import uuid7

_COLUMNS = """id, tenant_id, key, label, type, choices, is_required, default_value AS "default",
    created_at, updated_at"""


async def insert(tx: Tx, tenant_id: UUID, values: dict[str, Any]) -> UUID | None:
    """The new definition's id; None when the key has one already."""
    found: UUID | None = await tx.fetchval(
        """INSERT INTO contact_field (tenant_id, id, key, label, type, choices, is_required, default_value)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant_id, key) DO NOTHING RETURNING id""",
        tenant_id,
        uuid7(),
        *(values[name] for name in ("key", "label", "type", "choices", "is_required", "default")),
    )
    return found


async def all_of(tx: Tx, tenant_id: UUID) -> list[dict[str, Any]]:
    """In the order of keys."""
    sql = f"SELECT {_COLUMNS} FROM contact_field WHERE tenant_id = $1 ORDER BY key"
    rows = await tx.fetch(sql, tenant_id)
    return [dict(row) for row in rows]


async def get(tx: Tx, tenant_id: UUID, field_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM contact_field WHERE tenant_id = $1 AND id = $2", tenant_id, field_id
    )
    return dict(row) if row else None


async def update(tx: Tx, tenant_id: UUID, field_id: UUID, values: dict[str, Any]) -> None:
    await tx.execute(
        """UPDATE contact_field SET label = $3, choices = $4, is_required = $5, default_value = $6,
               updated_at = now() WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        field_id,
        *(values[name] for name in ("label", "choices", "is_required", "default")),
    )


async def delete(tx: Tx, tenant_id: UUID, field_id: UUID) -> bool:
    return bool(
        await tx.affected("DELETE FROM contact_field WHERE tenant_id = $1 AND id = $2", tenant_id, field_id)
    )


async def is_strict(tx: Tx, tenant_id: UUID) -> bool:
    return bool(
        await tx.fetchval("SELECT is_strict FROM contact_field_settings WHERE tenant_id = $1", tenant_id)
    )


async def set_strict(tx: Tx, tenant_id: UUID, is_strict: bool) -> None:
    await tx.execute(
        """INSERT INTO contact_field_settings (tenant_id, is_strict) VALUES ($1, $2)
           ON CONFLICT (tenant_id) DO UPDATE SET is_strict = excluded.is_strict, updated_at = now()""",
        tenant_id,
        is_strict,
    )
