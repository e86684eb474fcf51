"""API keys: digests only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.database import Tx
from shared.errors import NotFoundError
from shared.models.identity import Role

_COLUMNS = (
    "tenant_id, id, name, prefix, scopes, created_by, created_at, expires_at, last_used_at, revoked_at,"
    " replaced_by"
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. `prefix` is what may be shown."""

    tenant_id: UUID
    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_by: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    replaced_by: UUID | None

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True)
class NewKey:
    tenant_id: UUID
    id: UUID
    name: str
    prefix: str
    key_hash: bytes
    scopes: list[str]
    created_by: UUID
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Creator:
    """Who made a key, as they are now."""

    role: Role
    is_proven: bool


async def insert(tx: Tx, new: NewKey) -> ApiKey:
    row = await tx.fetchrow(
        f"""INSERT INTO api_key (tenant_id, id, name, prefix, key_hash, scopes, created_by, created_at,
                                 expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING {_COLUMNS}""",
        new.tenant_id,
        new.id,
        new.name,
        new.prefix,
        new.key_hash,
        new.scopes,
        new.created_by,
        new.created_at,
        new.expires_at,
    )
    assert row is not None
    return ApiKey(**dict(row))


async def get(tx: Tx, tenant_id: UUID, key_id: UUID, *, lock: bool = False) -> ApiKey | None:
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM api_key WHERE tenant_id = $1 AND id = $2{' FOR UPDATE' if lock else ''}",
        tenant_id,
        key_id,
    )
    return ApiKey(**dict(row)) if row else None


async def get_or_404(tx: Tx, tenant_id: UUID, key_id: UUID, *, lock: bool = False) -> ApiKey:
    key = await get(tx, tenant_id, key_id, lock=lock)
    if key is None:
        raise NotFoundError
    return key


async def page(
    tx: Tx, tenant_id: UUID, after_at: datetime | None, after_id: UUID | None, limit: int
) -> list[ApiKey]:
    """Newest first, from the row after (`after_at`, `after_id`)."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM api_key
            WHERE tenant_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
            ORDER BY created_at DESC, id DESC LIMIT $4""",
        tenant_id,
        after_at,
        after_id,
        limit,
    )
    return [ApiKey(**dict(row)) for row in rows]


async def usable(tx: Tx, key_hash: bytes, now: datetime) -> tuple[ApiKey, Creator] | None:
    """The key with its creator, in a system transaction.

    A key works only while its creator is an active member of an active tenant.
    """
    row = await tx.fetchrow(
        f"""SELECT {", ".join(f"k.{name}" for name in _COLUMNS.split(", "))},
                   m.role, m.email_verified_at IS NOT NULL AS is_proven
            FROM api_key k
            JOIN member m ON m.tenant_id = k.tenant_id AND m.id = k.created_by AND m.status = 'active'
            JOIN tenant t ON t.tenant_id = k.tenant_id AND t.status = 'active'
            WHERE k.key_hash = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $2)""",
        key_hash,
        now,
    )
    if row is None:
        return None
    values = dict(row)
    creator = Creator(values.pop("role"), values.pop("is_proven"))
    return ApiKey(**values), creator


async def revoke(tx: Tx, tenant_id: UUID, key_id: UUID, now: datetime) -> bool:
    """False when it was revoked before."""
    changed = await tx.affected(
        "UPDATE api_key SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL",
        tenant_id,
        key_id,
        now,
    )
    return changed == 1


async def replace(tx: Tx, tenant_id: UUID, key_id: UUID, by: UUID, ends_at: datetime) -> None:
    """The key works until `ends_at`, or its own expiry if that is sooner."""
    await tx.execute(
        """UPDATE api_key SET replaced_by = $3, expires_at = least(expires_at, $4)
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        key_id,
        by,
        ends_at,
    )


async def revoke_of_creator(tx: Tx, tenant_id: UUID, user_id: UUID, now: datetime) -> list[UUID]:
    """Revoke all keys a member has made; their ids."""
    rows = await tx.fetch(
        """UPDATE api_key SET revoked_at = $3
           WHERE tenant_id = $1 AND created_by = $2 AND revoked_at IS NULL RETURNING id""",
        tenant_id,
        user_id,
        now,
    )
    return [row["id"] for row in rows]


async def ids_of_creator(tx: Tx, tenant_id: UUID, user_id: UUID) -> list[UUID]:
    rows = await tx.fetch(
        "SELECT id FROM api_key WHERE tenant_id = $1 AND created_by = $2 AND revoked_at IS NULL",
        tenant_id,
        user_id,
    )
    return [row["id"] for row in rows]


async def note_use(tx: Tx, uses: Iterable[tuple[UUID, UUID, datetime]]) -> None:
    """(tenant, key, time) of uses, over all tenants. At most one write a minute and key."""
    await tx.executemany(
        """UPDATE api_key SET last_used_at = $3
           WHERE tenant_id = $1 AND id = $2
             AND (last_used_at IS NULL OR last_used_at <= $3::timestamptz - interval '1 minute')""",
        list(uses),
    )
