"""Signing keys. They belong to the installation, not to a tenant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.database import Tx

State = Literal["pending", "active", "retiring", "retired"]
_COLUMNS = "kid, public_x, private_key, state, created_at, not_before, activated_at, retiring_at"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`private_key` is sealed, and gone once the key no longer signs."""

    kid: str
    public_x: str
    private_key: bytes | None
    state: State
    created_at: datetime
    not_before: datetime
    activated_at: datetime | None
    retiring_at: datetime | None


async def lock(tx: Tx) -> None:
    """One rotation at a time over all processes, until the transaction ends."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('tidings signing keys'))")


async def published(tx: Tx) -> list[SigningKey]:
    """All keys verifiers must know, oldest first."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM signing_key WHERE state <> 'retired' ORDER BY created_at, kid"
    )
    return [SigningKey(**dict(row)) for row in rows]


async def insert(
    tx: Tx, *, kid: str, public_x: str, private_key: bytes, state: State, now: datetime, not_before: datetime
) -> None:
    await tx.execute(
        """INSERT INTO signing_key (kid, alg, public_x, private_key, state, created_at, not_before,
                                    activated_at)
           VALUES ($1, 'EdDSA', $2, $3, $4, $5, $6,
                   CASE WHEN $4::text = 'active' THEN $5::timestamptz END)""",
        kid,
        public_x,
        private_key,
        state,
        now,
        not_before,
    )


async def retire_active(tx: Tx, now: datetime) -> None:
    """The active key signs no more: its private part is erased, its public part stays published."""
    await tx.execute(
        """UPDATE signing_key SET state = 'retiring', retiring_at = $1, private_key = NULL
           WHERE state = 'active'""",
        now,
    )


async def activate(tx: Tx, kid: str, now: datetime) -> None:
    await tx.execute(
        "UPDATE signing_key SET state = 'active', activated_at = $2 WHERE kid = $1 AND state = 'pending'",
        kid,
        now,
    )


async def withdraw(tx: Tx, kid: str, now: datetime) -> None:
    """A retiring key is no longer published."""
    await tx.execute(
        "UPDATE signing_key SET state = 'retired', retired_at = $2 WHERE kid = $1 AND state = 'retiring'",
        kid,
        now,
    )


async def delete_all(tx: Tx) -> int:
    """Emergency: every token signed so far becomes worthless."""
    return await tx.affected("DELETE FROM signing_key")
