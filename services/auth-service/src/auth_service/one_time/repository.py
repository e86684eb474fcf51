"""Hashes of one-time tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from auth_service.security.one_time_tokens import OneTimeToken, Purpose
from shared.database import Tx


@dataclass(frozen=True, slots=True)
class NewToken:
    id: UUID
    user_id: UUID
    purpose: Purpose
    token: OneTimeToken
    created_at: datetime
    expires_at: datetime


async def put(tx: Tx, new: NewToken) -> None:
    """Store the token; an earlier one of the same user and purpose dies."""
    await tx.execute(
        """INSERT INTO one_time_token (tenant_id, id, user_id, purpose, token_hash, created_at, expires_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7)
           ON CONFLICT ON CONSTRAINT one_time_token_live DO UPDATE
           SET id = excluded.id, token_hash = excluded.token_hash, created_at = excluded.created_at,
               expires_at = excluded.expires_at, used_at = NULL""",
        new.token.tenant_id,
        new.id,
        new.user_id,
        new.purpose,
        new.token.digest,
        new.created_at,
        new.expires_at,
    )


async def consume(tx: Tx, token: OneTimeToken, purpose: Purpose, now: datetime) -> UUID | None:
    """The user, once: of two callers at a time one gets None, as for a used, expired or foreign token."""
    user_id: UUID | None = await tx.fetchval(
        """UPDATE one_time_token SET used_at = $4
           WHERE tenant_id = $1 AND token_hash = $2 AND purpose = $3 AND used_at IS NULL AND expires_at > $4
           RETURNING user_id""",
        token.tenant_id,
        token.digest,
        purpose,
        now,
    )
    return user_id


async def peek(tx: Tx, token: OneTimeToken, purpose: Purpose, now: datetime) -> UUID | None:
    """The user, without using the token up."""
    user_id: UUID | None = await tx.fetchval(
        """SELECT user_id FROM one_time_token
           WHERE tenant_id = $1 AND token_hash = $2 AND purpose = $3
             AND used_at IS NULL AND expires_at > $4""",
        token.tenant_id,
        token.digest,
        purpose,
        now,
    )
    return user_id


async def drop_all_of(tx: Tx, tenant_id: UUID, user_id: UUID) -> None:
    await tx.execute("DELETE FROM one_time_token WHERE tenant_id = $1 AND user_id = $2", tenant_id, user_id)


async def drop(tx: Tx, tenant_id: UUID, user_id: UUID, purpose: Purpose) -> None:
    await tx.execute(
        "DELETE FROM one_time_token WHERE tenant_id = $1 AND user_id = $2 AND purpose = $3",
        tenant_id,
        user_id,
        purpose,
    )


async def purge(tx: Tx, before: datetime) -> int:
    return await tx.affected("DELETE FROM one_time_token WHERE expires_at < $1", before)
