"""SQL of report settings."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx

_FIELDS = (
    "brand_name",
    "color",
    "accent",
    "logo_url",
    "website",
    "sender_email",
    "sender_name",
    "reply_to",
    "alert_email",
    "language",
)


async def find(tx: Tx, tenant_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {', '.join(_FIELDS)}, updated_at FROM report_settings WHERE tenant_id = $1", tenant_id
    )
    return dict(row) if row else None


async def put(tx: Tx, tenant_id: UUID, values: dict[str, Any], now: datetime) -> None:
    """Replace the tenant's settings."""
    places = ", ".join(f"${n}" for n in range(3, 3 + len(_FIELDS)))
    sets = ", ".join(f"{name} = excluded.{name}" for name in (*_FIELDS, "updated_at"))
    await tx.execute(
        f"INSERT INTO report_settings (tenant_id, updated_at, {', '.join(_FIELDS)})"
        f" VALUES ($1, $2, {places}) ON CONFLICT (tenant_id) DO UPDATE SET {sets}",
        tenant_id,
        now,
        *(values[name] for name in _FIELDS),
    )


async def name_brand(tx: Tx, tenant_id: UUID, name: str, now: datetime) -> None:
    """The brand of a tenant that has no settings yet."""
    await tx.execute(
        "INSERT INTO report_settings (tenant_id, brand_name, updated_at) VALUES ($1, $2, $3)"
        " ON CONFLICT (tenant_id) DO NOTHING",
        tenant_id,
        name,
        now,
    )
