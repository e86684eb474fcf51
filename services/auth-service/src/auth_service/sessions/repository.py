"""Sessions: a key and a counter each, no tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.database import Tx
from shared.models.identity import Role

RevokeReason = Literal[
    "logout",
    "user",
    "refresh_reuse",
    "password_change",
    "password_reset",
    "role_change",
    "member_disabled",
    "superseded",
]
_LISTED = (
    "id, user_id, created_at, authenticated_at, last_used_at, expires_at, idle_expires_at, ip, user_agent"
)
_LIVE = "revoked_at IS NULL AND expires_at > $3 AND idle_expires_at > $3"


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session as its user may see it."""

    id: UUID
    user_id: UUID
    created_at: datetime
    authenticated_at: datetime
    last_used_at: datetime
    expires_at: datetime
    idle_expires_at: datetime
    ip: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class NewSession:
    """`refresh_key` is sealed."""

    tenant_id: UUID
    id: UUID
    user_id: UUID
    refresh_key: bytes
    now: datetime
    idle_expires_at: datetime
    expires_at: datetime
    ip: str | None
    ip_network: str
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class Chain:
    """What decides about a refresh token."""

    session_id: UUID
    refresh_key: bytes
    counter: int
    rotations: list[datetime]
    created_at: datetime
    expires_at: datetime
    idle_expires_at: datetime
    is_usable: bool


@dataclass(frozen=True, slots=True)
class Rotation:
    """The values a session gets when its token is replaced."""

    counter: int
    rotations: Sequence[datetime]
    now: datetime
    idle_expires_at: datetime
    expires_at: datetime


async def insert(tx: Tx, new: NewSession) -> None:
    await tx.execute(
        """INSERT INTO session (tenant_id, id, user_id, refresh_key, created_at, authenticated_at,
                                last_used_at, idle_expires_at, expires_at, ip, ip_network, user_agent)
           VALUES ($1, $2, $3, $4, $5, $5, $5, $6, $7, $8, $9, $10)""",
        new.tenant_id,
        new.id,
        new.user_id,
        new.refresh_key,
        new.now,
        new.idle_expires_at,
        new.expires_at,
        new.ip,
        new.ip_network,
        new.user_agent,
    )


async def chain(tx: Tx, tenant_id: UUID, session_id: UUID) -> tuple[Chain, UUID, Role] | None:
    """The session with its user and the user's present role. Unusable when user or tenant is disabled."""
    row = await tx.fetchrow(
        """SELECT s.id AS session_id, s.refresh_key, s.counter, s.rotations, s.created_at, s.expires_at,
                  s.idle_expires_at, m.id AS user_id, m.role,
                  s.revoked_at IS NULL AND m.status = 'active' AND t.status = 'active' AS is_usable
           FROM session s
           JOIN member m ON m.tenant_id = s.tenant_id AND m.id = s.user_id
           JOIN tenant t ON t.tenant_id = s.tenant_id
           WHERE s.tenant_id = $1 AND s.id = $2""",
        tenant_id,
        session_id,
    )
    if row is None:
        return None
    values = dict(row)
    user_id, role = values.pop("user_id"), values.pop("role")
    return Chain(**values), user_id, role


async def rotate(tx: Tx, tenant_id: UUID, session_id: UUID, presented: int, new: Rotation) -> bool:
    """Claim the rotation in one statement: of several callers with the same token exactly one gets True."""
    claimed = await tx.affected(
        """UPDATE session SET counter = $4, rotations = $5, last_used_at = $6, idle_expires_at = $7,
                  expires_at = $8
           WHERE tenant_id = $1 AND id = $2 AND counter = $3 AND revoked_at IS NULL""",
        tenant_id,
        session_id,
        presented,
        new.counter,
        list(new.rotations),
        new.now,
        new.idle_expires_at,
        new.expires_at,
    )
    return claimed == 1


async def list_live(tx: Tx, tenant_id: UUID, user_id: UUID, now: datetime) -> list[SessionRecord]:
    rows = await tx.fetch(
        f"""SELECT {_LISTED} FROM session WHERE tenant_id = $1 AND user_id = $2 AND {_LIVE}
            ORDER BY created_at DESC, id DESC LIMIT 200""",
        tenant_id,
        user_id,
        now,
    )
    return [SessionRecord(**dict(row)) for row in rows]


async def get_live(
    tx: Tx, tenant_id: UUID, user_id: UUID, now: datetime, session_id: UUID
) -> SessionRecord | None:
    row = await tx.fetchrow(
        f"SELECT {_LISTED} FROM session WHERE tenant_id = $1 AND user_id = $2 AND {_LIVE} AND id = $4",
        tenant_id,
        user_id,
        now,
        session_id,
    )
    return SessionRecord(**dict(row)) if row else None


async def revoke(tx: Tx, tenant_id: UUID, session_id: UUID, reason: RevokeReason, now: datetime) -> bool:
    """False when it was not live any more."""
    changed = await tx.affected(
        """UPDATE session SET revoked_at = $4, revoke_reason = $3
           WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL""",
        tenant_id,
        session_id,
        reason,
        now,
    )
    return changed == 1


async def revoke_all(
    tx: Tx, tenant_id: UUID, user_id: UUID, reason: RevokeReason, now: datetime, keep: UUID | None
) -> list[UUID]:
    """Ids of the sessions ended; `keep` stays."""
    rows = await tx.fetch(
        """UPDATE session SET revoked_at = $4, revoke_reason = $3
           WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $4
             AND id IS DISTINCT FROM $5::uuid
           RETURNING id""",
        tenant_id,
        user_id,
        reason,
        now,
        keep,
    )
    return [row["id"] for row in rows]


async def note_authentication(tx: Tx, tenant_id: UUID, session_id: UUID, now: datetime) -> None:
    await tx.execute(
        "UPDATE session SET authenticated_at = $3 WHERE tenant_id = $1 AND id = $2",
        tenant_id,
        session_id,
        now,
    )


async def purge(tx: Tx, before: datetime) -> int:
    """Delete sessions of all tenants that ended by themselves before a time."""
    return await tx.affected("DELETE FROM session WHERE expires_at < $1", before)
