"""Members of tenants. Look-ups by address go over all tenants and need a system transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg

from auth_service.errors import EmailAlreadyExistsError
from shared.database import Tx
from shared.models.identity import Role

_COLUMNS = (
    "tenant_id, id, email, email_verified_at, password_hash, first_name, last_name, language, role, status,"
    " last_login_at, created_at, updated_at"
)
_MEMBER_COLUMNS = ", ".join(f"m.{name}" for name in _COLUMNS.replace(" ", "").split(","))
_PROFILE = ("first_name", "last_name", "language")
# More accounts of one unproven address than this are not tried at login.
_MOST_CANDIDATES = 5


@dataclass(frozen=True, slots=True)
class Member:
    """One person in one tenant. Without `password_hash` nobody can sign in with a password."""

    tenant_id: UUID
    id: UUID
    email: str
    email_verified_at: datetime | None
    password_hash: str | None
    first_name: str
    last_name: str
    language: str
    role: Role
    status: Literal["active", "disabled"]
    last_login_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def is_proven(self) -> bool:
        return self.email_verified_at is not None


@dataclass(frozen=True, slots=True)
class NewMember:
    """`id` and times are the caller's to choose."""

    tenant_id: UUID
    id: UUID
    email: str
    password_hash: str | None
    first_name: str
    last_name: str
    language: str
    role: Role


def _members(rows: list[asyncpg.Record]) -> list[Member]:
    return [Member(**dict(row)) for row in rows]


def _member(row: asyncpg.Record | None) -> Member | None:
    return Member(**dict(row)) if row else None


async def insert(tx: Tx, new: NewMember, now: datetime) -> Member:
    """Raises `EmailAlreadyExistsError` when the tenant already has a member with the address."""
    try:
        row = await tx.fetchrow(
            f"""INSERT INTO member (tenant_id, id, email, password_hash, first_name, last_name, language,
                                    role, created_at, updated_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) RETURNING {_COLUMNS}""",
            new.tenant_id,
            new.id,
            new.email,
            new.password_hash,
            new.first_name,
            new.last_name,
            new.language,
            new.role,
            now,
        )
    except asyncpg.UniqueViolationError:
        raise EmailAlreadyExistsError(field="email") from None
    member = _member(row)
    assert member is not None
    return member


async def get(tx: Tx, tenant_id: UUID, user_id: UUID, *, lock: bool = False) -> Member | None:
    """`lock` keeps the row as it is until the transaction ends."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM member WHERE tenant_id = $1 AND id = $2{' FOR UPDATE' if lock else ''}",
        tenant_id,
        user_id,
    )
    return _member(row)


async def page(
    tx: Tx, tenant_id: UUID, after_at: datetime | None, after_id: UUID | None, limit: int
) -> list[Member]:
    """Oldest first, from the row after (`after_at`, `after_id`)."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM member
            WHERE tenant_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) > ($2, $3::uuid))
            ORDER BY created_at, id LIMIT $4""",
        tenant_id,
        after_at,
        after_id,
        limit,
    )
    return _members(rows)


async def page_of_all(
    tx: Tx,
    tenant_id: UUID | None,
    email: str | None,
    after_at: datetime | None,
    after_id: UUID | None,
    limit: int,
) -> list[Member]:
    """For other services: of one tenant, or of all in a system transaction."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM member
            WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::text IS NULL OR email_lower = lower($2))
              AND ($3::timestamptz IS NULL OR (created_at, id) > ($3, $4::uuid))
            ORDER BY created_at, id LIMIT $5""",
        tenant_id,
        email,
        after_at,
        after_id,
        limit,
    )
    return _members(rows)


async def proven_owner_of(tx: Tx, email: str) -> Member | None:
    """Who has proven the address, in any tenant and in any state."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM member WHERE email_lower = lower($1) AND email_verified_at IS NOT NULL",
        email,
    )
    return _member(row)


async def sign_in_candidates(tx: Tx, email: str) -> list[Member]:
    """Active members an address may mean, in any tenant: who has proven it, else the newest claims."""
    rows = await tx.fetch(
        f"""SELECT {_MEMBER_COLUMNS} FROM member m JOIN tenant t ON t.tenant_id = m.tenant_id
            WHERE m.email_lower = lower($1) AND m.status = 'active' AND t.status = 'active'
            ORDER BY (m.email_verified_at IS NULL), m.created_at DESC LIMIT $2""",
        email,
        _MOST_CANDIDATES,
    )
    members = _members(rows)
    return members[:1] if members and members[0].is_proven else members


async def is_known_network(tx: Tx, members: list[Member], network: str, since: datetime) -> bool:
    """True when somebody signed in to one of the accounts from this network."""
    return bool(
        await tx.fetchval(
            """SELECT EXISTS (SELECT FROM session
                              WHERE tenant_id = ANY($1::uuid[]) AND user_id = ANY($2::uuid[])
                              AND ip_network = $3 AND created_at > $4
                              AND revoke_reason IS DISTINCT FROM 'refresh_reuse')""",
            [member.tenant_id for member in members],
            [member.id for member in members],
            network,
            since,
        )
    )


async def update_profile(
    tx: Tx, tenant_id: UUID, user_id: UUID, changes: Mapping[str, Any], now: datetime
) -> Member | None:
    names = [name for name in _PROFILE if name in changes]
    assert len(names) == len(changes)
    setters = "".join(f", {name} = ${number}" for number, name in enumerate(names, start=4))
    row = await tx.fetchrow(
        f"UPDATE member SET updated_at = $3{setters} WHERE tenant_id = $1 AND id = $2 RETURNING {_COLUMNS}",
        tenant_id,
        user_id,
        now,
        *(changes[name] for name in names),
    )
    return _member(row)


async def set_role_and_status(
    tx: Tx, member: Member, role: Role, status: str, now: datetime
) -> Member | None:
    row = await tx.fetchrow(
        f"""UPDATE member SET role = $3, status = $4, updated_at = $5
            WHERE tenant_id = $1 AND id = $2 RETURNING {_COLUMNS}""",
        member.tenant_id,
        member.id,
        role,
        status,
        now,
    )
    return _member(row)


async def set_password(
    tx: Tx, tenant_id: UUID, user_id: UUID, new_hash: str, now: datetime, *, replacing: str | None
) -> bool:
    """False when the stored hash is no longer `replacing`: somebody was faster."""
    changed = await tx.affected(
        """UPDATE member SET password_hash = $3, updated_at = $4
           WHERE tenant_id = $1 AND id = $2 AND password_hash IS NOT DISTINCT FROM $5""",
        tenant_id,
        user_id,
        new_hash,
        now,
        replacing,
    )
    return changed == 1


async def note_login(tx: Tx, tenant_id: UUID, user_id: UUID, now: datetime) -> None:
    await tx.execute(
        "UPDATE member SET last_login_at = $3 WHERE tenant_id = $1 AND id = $2", tenant_id, user_id, now
    )


async def prove_email(tx: Tx, tenant_id: UUID, user_id: UUID, now: datetime) -> Member | None:
    """Raises `EmailAlreadyExistsError` when somebody else has proven the address before."""
    try:
        row = await tx.fetchrow(
            f"""UPDATE member SET email_verified_at = coalesce(email_verified_at, $3), updated_at = $3
                WHERE tenant_id = $1 AND id = $2 AND status = 'active' RETURNING {_COLUMNS}""",
            tenant_id,
            user_id,
            now,
        )
    except asyncpg.UniqueViolationError:
        raise EmailAlreadyExistsError from None
    return _member(row)


async def disable_other_claims(tx: Tx, proven: Member, now: datetime) -> list[Member]:
    """Close all unproven accounts with the address that has just been proven, in any tenant."""
    rows = await tx.fetch(
        f"""UPDATE member SET status = 'disabled', updated_at = $3
            WHERE email_lower = lower($1) AND id <> $2 AND email_verified_at IS NULL AND status = 'active'
            RETURNING {_COLUMNS}""",
        proven.email,
        proven.id,
        now,
    )
    return _members(rows)


async def lock_active_owners(tx: Tx, tenant_id: UUID) -> list[UUID]:
    """Ids of the active owners, locked in one order so that two removals wait for each other."""
    rows = await tx.fetch(
        """SELECT id FROM member WHERE tenant_id = $1 AND role = 'owner' AND status = 'active'
           ORDER BY id FOR UPDATE""",
        tenant_id,
    )
    return [row["id"] for row in rows]


async def delete(tx: Tx, tenant_id: UUID, user_id: UUID) -> bool:
    """Sessions and one-time tokens go with the member."""
    return await tx.affected("DELETE FROM member WHERE tenant_id = $1 AND id = $2", tenant_id, user_id) == 1


def network_memory(now: datetime) -> datetime:
    """Since when a network counts as known."""
    return now - timedelta(days=90)
