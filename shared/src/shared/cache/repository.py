"""SQL of the cache. Each call is one statement, committed by itself."""

from __future__ import annotations

from shared.database import SimpleDatabase


async def get(db: SimpleDatabase, key: str) -> str | None:
    rows = await db.query(
        "SELECT value FROM cache_entry WHERE key = $1 AND expires_at > clock_timestamp()", [key]
    )
    return rows[0]["value"] if rows else None


async def put(db: SimpleDatabase, key: str, value: str, ttl: int) -> None:
    await db.query(
        "INSERT INTO cache_entry (key, value, expires_at)"
        " VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
        [key, value, ttl],
    )


async def delete(db: SimpleDatabase, key: str) -> bool:
    rows = await db.query(
        "DELETE FROM cache_entry WHERE key = $1 RETURNING expires_at > clock_timestamp() AS was_live", [key]
    )
    return bool(rows) and bool(rows[0]["was_live"])


async def delete_like(db: SimpleDatabase, pattern: str) -> int:
    """`pattern` is one of LIKE, with its special characters escaped by a backslash."""
    rows = await db.query(
        "WITH gone AS (DELETE FROM cache_entry WHERE key LIKE $1 RETURNING 1)"
        " SELECT count(*) AS deleted FROM gone",
        [pattern],
    )
    return int(rows[0]["deleted"])


async def incr(db: SimpleDatabase, key: str, amount: int, ttl: int) -> int:
    rows = await db.query(
        "INSERT INTO cache_entry AS c (key, value, expires_at)"
        " VALUES ($1, $2::bigint::text, clock_timestamp() + make_interval(secs => $3))"
        " ON CONFLICT (key) DO UPDATE SET"
        " value = CASE WHEN c.expires_at > clock_timestamp()"
        " THEN (c.value::bigint + $2::bigint)::text ELSE excluded.value END,"
        " expires_at = CASE WHEN c.expires_at > clock_timestamp() THEN c.expires_at"
        " ELSE excluded.expires_at END RETURNING value",
        [key, amount, ttl],
    )
    return int(rows[0]["value"])


async def forget_expired(db: SimpleDatabase, limit: int) -> int:
    rows = await db.query(
        "DELETE FROM cache_entry WHERE key = ANY (ARRAY(SELECT key FROM cache_entry"
        " WHERE expires_at <= clock_timestamp() LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING key",
        [limit],
    )
    return len(rows)
