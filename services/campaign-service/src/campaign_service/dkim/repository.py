"""SQL of sending domains and their keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import Tx
from shared.utils import uuid7

_DOMAIN = "tenant_id, id, domain, sign, created_at, updated_at"
_KEY = "domain_id, selector, algorithm, private_key, public_key, verified_at, checked_at, fault, created_at"


async def page(tx: Tx, tenant_id: UUID, after: str | None, limit: int) -> list[dict[str, Any]]:
    """In the order of their names."""
    rows = await tx.fetch(
        f"""SELECT {_DOMAIN} FROM sending_domain
            WHERE tenant_id = $1 AND ($2::text IS NULL OR domain > $2) ORDER BY domain LIMIT $3""",
        tenant_id,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def get(tx: Tx, tenant_id: UUID, domain_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {_DOMAIN} FROM sending_domain WHERE tenant_id = $1 AND id = $2", tenant_id, domain_id
    )
    return dict(row) if row else None


async def of_names(tx: Tx, tenant_id: UUID, domains: Sequence[str]) -> dict[str, Any] | None:
    """The longest of `domains` that the tenant has."""
    row = await tx.fetchrow(
        f"""SELECT {_DOMAIN} FROM sending_domain
            WHERE tenant_id = $1 AND domain = ANY($2::text[]) ORDER BY length(domain) DESC LIMIT 1""",
        tenant_id,
        list(domains),
    )
    return dict(row) if row else None


async def insert(tx: Tx, tenant_id: UUID, domain: str, sign: str) -> UUID | None:
    """The new domain's id; None when the tenant has it already."""
    domain_id: UUID | None = await tx.fetchval(
        """INSERT INTO sending_domain (tenant_id, id, domain, sign) VALUES ($1, $2, $3, $4)
           ON CONFLICT (tenant_id, domain) DO NOTHING RETURNING id""",
        tenant_id,
        uuid7(),
        domain,
        sign,
    )
    return domain_id


async def set_sign(tx: Tx, tenant_id: UUID, domain_id: UUID, sign: str) -> None:
    await tx.execute(
        "UPDATE sending_domain SET sign = $3, updated_at = now() WHERE tenant_id = $1 AND id = $2",
        tenant_id,
        domain_id,
        sign,
    )


async def delete(tx: Tx, tenant_id: UUID, domain_id: UUID) -> bool:
    """With its keys."""
    sql = "DELETE FROM sending_domain WHERE tenant_id = $1 AND id = $2"
    return bool(await tx.affected(sql, tenant_id, domain_id))


async def insert_key(tx: Tx, tenant_id: UUID, domain_id: UUID, row: dict[str, Any]) -> bool:
    """False when the domain has a key of this selector."""
    return bool(
        await tx.affected(
            """INSERT INTO sending_domain_key
                 (tenant_id, domain_id, selector, algorithm, private_key, public_key)
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING""",
            tenant_id,
            domain_id,
            *(row[name] for name in ("selector", "algorithm", "private_key", "public_key")),
        )
    )


async def keys(tx: Tx, tenant_id: UUID, domain_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Newest first, with sealed private keys."""
    rows = await tx.fetch(
        f"""SELECT {_KEY} FROM sending_domain_key
            WHERE tenant_id = $1 AND domain_id = ANY($2::uuid[]) ORDER BY created_at DESC, selector DESC""",
        tenant_id,
        list(domain_ids),
    )
    return [dict(row) for row in rows]


async def checked(
    tx: Tx, tenant_id: UUID, domain_id: UUID, selector: str, fault: str | None, now: datetime
) -> None:
    """A key that is published is verified from the first time on; one that is gone is not."""
    await tx.execute(
        """UPDATE sending_domain_key
           SET checked_at = $5, fault = $4::text,
               verified_at = CASE WHEN $4::text IS NULL THEN coalesce(verified_at, $5) END
           WHERE tenant_id = $1 AND domain_id = $2 AND selector = $3""",
        tenant_id,
        domain_id,
        selector,
        fault,
        now,
    )
