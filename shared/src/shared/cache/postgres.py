"""The cache in an UNLOGGED table of the service's schema."""

from __future__ import annotations

import json
import random
from typing import Any

from shared.cache import repository
from shared.cache.base import CACHE_TTL_1_HOUR, CACHE_TTL_5_MINUTES, check_key, check_ttl
from shared.database import SimpleDatabase

# One write in so many also removes a batch of expired rows, so that no task has to.
_CLEAN_UP_ODDS = 200
_CLEAN_UP_BATCH = 1_000


class PostgresCache:
    """Shared by all processes of a service. Each call is one statement of its own."""

    def __init__(self, db: SimpleDatabase) -> None:
        self._db = db

    async def get(self, key: str) -> Any:
        text = await repository.get(self._db, check_key(key))
        return None if text is None else json.loads(text)

    async def set(self, key: str, value: Any, ttl: int = CACHE_TTL_5_MINUTES) -> None:
        text = json.dumps(value, allow_nan=False)
        await repository.put(self._db, check_key(key), text, check_ttl(ttl))
        if random.randrange(_CLEAN_UP_ODDS) == 0:
            await self.forget_expired()

    async def delete(self, key: str) -> bool:
        return await repository.delete(self._db, check_key(key))

    async def delete_pattern(self, pattern: str) -> int:
        return await repository.delete_like(self._db, to_like(check_key(pattern)))

    async def incr(self, key: str, amount: int = 1, ttl: int = CACHE_TTL_1_HOUR) -> int:
        return await repository.incr(self._db, check_key(key), amount, check_ttl(ttl))

    async def forget_expired(self) -> int:
        """Remove a batch of expired entries; how many."""
        return await repository.forget_expired(self._db, _CLEAN_UP_BATCH)

    async def health(self) -> bool:
        return await self._db.health_check()

    async def close(self) -> None:
        """The pool belongs to the service."""


def to_like(pattern: str) -> str:
    r"""A `*` pattern for LIKE: `%`, `_` and `\` stand for themselves."""
    escaped = pattern.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return escaped.replace("*", "%")
