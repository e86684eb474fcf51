"""SQL of the idempotency keys."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from shared.database import Tx


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    fingerprint: str
    status: int
    body: str


def _lock_number(tx: Tx, key: str) -> int:
    digest = hashlib.blake2b(f"idempotency|{tx.tenant}|{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


async def try_lock(tx: Tx, key: str) -> bool:
    """Hold the key until the transaction ends; False when another request holds it."""
    return bool(await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", _lock_number(tx, key)))


async def find(tx: Tx, key: str) -> StoredAnswer | None:
    row = await tx.fetchrow(
        "SELECT fingerprint, status, body FROM idempotency_key"
        " WHERE tenant_id = $1 AND key = $2 AND expires_at > now()",
        tx.tenant,
        key,
    )
    return StoredAnswer(row["fingerprint"], row["status"], row["body"]) if row else None


async def store(tx: Tx, key: str, route: str, answer: StoredAnswer) -> None:
    await tx.execute(
        "INSERT INTO idempotency_key (tenant_id, key, route, fingerprint, status, body)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, key) DO UPDATE SET route = excluded.route,"
        " fingerprint = excluded.fingerprint, status = excluded.status, body = excluded.body,"
        " created_at = now(), expires_at = now() + interval '24 hours'",
        tx.tenant,
        key,
        route,
        answer.fingerprint,
        answer.status,
        answer.body,
    )
