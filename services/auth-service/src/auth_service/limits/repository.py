"""Counters of failed logins, and the platform's sliding windows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.database import Tx


@dataclass(frozen=True, slots=True)
class Throttle:
    """Failed sign-ins of an account, and those being checked since `started_at` at the latest."""

    failures: int
    in_flight: int
    started_at: datetime
    blocked_until: datetime
    forget_at: datetime


async def lock_throttle(tx: Tx, bucket: str, now: datetime) -> Throttle:
    """The row of an account, made when it is not there, locked until the transaction ends."""
    row = await tx.fetchrow(
        """INSERT INTO login_throttle AS t (bucket, failures, in_flight, started_at, blocked_until, forget_at)
           VALUES ($1, 0, 0, $2, $2, $2)
           ON CONFLICT (bucket) DO UPDATE SET failures = t.failures
           RETURNING failures, in_flight, started_at, blocked_until, forget_at""",
        bucket,
        now,
    )
    assert row is not None
    return Throttle(**dict(row))


async def set_throttle(tx: Tx, bucket: str, throttle: Throttle) -> None:
    await tx.execute(
        """UPDATE login_throttle
           SET failures = $2, in_flight = $3, started_at = $4, blocked_until = $5, forget_at = $6
           WHERE bucket = $1""",
        bucket,
        throttle.failures,
        throttle.in_flight,
        throttle.started_at,
        throttle.blocked_until,
        throttle.forget_at,
    )


async def clear_account(tx: Tx, account: str) -> None:
    """Forget the account's failures, also those counted apart for known networks (`account@network`)."""
    await tx.execute(
        "DELETE FROM login_throttle WHERE bucket = $1 OR (bucket >= $1 || '@' AND bucket < $1 || 'A')",
        account,
    )


async def take(tx: Tx, key: str, limit: int, window_seconds: int, cost: int, now: datetime) -> float | None:
    """Count `cost` against a sliding window. None when it fits; else the seconds to wait, and no count."""
    row = await tx.fetchrow(
        "SELECT allowed, retry_seconds FROM rate_take($1, $2, $3, $4, $5)",
        key,
        limit,
        window_seconds,
        cost,
        now,
    )
    assert row is not None
    return None if row["allowed"] else float(row["retry_seconds"])


async def forget_old(tx: Tx, now: datetime) -> int:
    return await tx.affected("DELETE FROM login_throttle WHERE forget_at < $1", now)
