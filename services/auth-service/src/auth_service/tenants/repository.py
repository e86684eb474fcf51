"""The tenant table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.database import Tx

_COLUMNS = (
    "tenant_id, name, slug, status, time_zone, brand_domain, sending_domains, retention_days,"
    " created_at, updated_at"
)
_CHANGEABLE = ("name", "time_zone", "brand_domain", "sending_domains", "retention_days")


@dataclass(frozen=True, slots=True)
class TenantRecord:
    tenant_id: UUID
    name: str
    slug: str
    status: Literal["active", "disabled"]
    time_zone: str
    brand_domain: str | None
    sending_domains: list[str]
    retention_days: int
    created_at: datetime
    updated_at: datetime


async def insert(
    tx: Tx, *, tenant_id: UUID, name: str, slug: str, time_zone: str, now: datetime
) -> TenantRecord | None:
    """None when the slug is taken."""
    row = await tx.fetchrow(
        f"""INSERT INTO tenant (tenant_id, name, slug, time_zone, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $5)
            ON CONFLICT ON CONSTRAINT tenant_slug_key DO NOTHING RETURNING {_COLUMNS}""",
        tenant_id,
        name,
        slug,
        time_zone,
        now,
    )
    return TenantRecord(**dict(row)) if row else None


async def get(tx: Tx, tenant_id: UUID) -> TenantRecord | None:
    row = await tx.fetchrow(f"SELECT {_COLUMNS} FROM tenant WHERE tenant_id = $1", tenant_id)
    return TenantRecord(**dict(row)) if row else None


async def update(tx: Tx, tenant_id: UUID, changes: Mapping[str, Any], now: datetime) -> TenantRecord | None:
    """Set the given fields, which must be changeable ones."""
    names = [name for name in _CHANGEABLE if name in changes]
    assert len(names) == len(changes)
    setters = "".join(f", {name} = ${number}" for number, name in enumerate(names, start=3))
    row = await tx.fetchrow(
        f"UPDATE tenant SET updated_at = $2{setters} WHERE tenant_id = $1 RETURNING {_COLUMNS}",
        tenant_id,
        now,
        *(changes[name] for name in names),
    )
    return TenantRecord(**dict(row)) if row else None
