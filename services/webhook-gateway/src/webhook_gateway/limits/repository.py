"""SQL of the rate limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from shared.database import SimpleDatabase, Tx

_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


_STATEMENT_SECONDS = 5.0


class LimiterUnavailableError(Exception):
    """The counters cannot be reached."""


@dataclass(frozen=True, slots=True)
class Grant:
    """How many of the requests asked for may pass, and the state of the window after them (seconds)."""

    granted: int
    remaining: int
    reset: float
    retry: float


async def take(
    db: SimpleDatabase, wanted: Sequence[tuple[str, int]], limit: int, window: int
) -> dict[str, Grant]:
    """Count requests of several callers in one statement; each key once. Commits by itself.

    Raises `LimiterUnavailableError`.
    """
    try:
        rows = await db.get_pool().fetch(
            "SELECT * FROM rate_take_many($1::text[], $2::int[], $3, $4)",
            [key for key, _ in wanted],
            [count for _, count in wanted],
            limit,
            window,
            timeout=_STATEMENT_SECONDS,
        )
    except _AWAY as error:
        raise LimiterUnavailableError from error
    return {
        row["key"]: Grant(row["granted"], row["remaining"], row["reset_seconds"], row["retry_seconds"])
        for row in rows
    }


async def forget_counters(tx: Tx, window: int) -> int:
    """Delete counters whose windows are over; how many rows."""
    return await tx.affected(
        "DELETE FROM rate_counter"
        " WHERE window_start < now() - make_interval(secs => greatest(window_seconds, $1) * 3)",
        window,
    )
