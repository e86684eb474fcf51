"""The cache in Redis."""

from __future__ import annotations

import json
import re
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.cache.base import CACHE_TTL_1_HOUR, CACHE_TTL_5_MINUTES, check_key, check_ttl

_SCAN_BATCH = 500
# Adds and, for a new key, sets its time to live: in one step, so that no counter can be left without one.
_INCR = """
local value = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return value
"""


class RedisCache:
    """Keys are kept under `<namespace>:`, so that services can share one server."""

    def __init__(self, url: str, namespace: str) -> None:
        self._redis: Redis = Redis.from_url(
            url, decode_responses=True, socket_timeout=5, socket_connect_timeout=2
        )
        self._prefix = f"{namespace}:"
        self._incr = self._redis.register_script(_INCR)

    async def get(self, key: str) -> Any:
        text = await self._redis.get(self._key(key))
        return None if text is None else json.loads(text)

    async def set(self, key: str, value: Any, ttl: int = CACHE_TTL_5_MINUTES) -> None:
        await self._redis.set(self._key(key), json.dumps(value, allow_nan=False), ex=check_ttl(ttl))

    async def delete(self, key: str) -> bool:
        return bool(await self._redis.delete(self._key(key)))

    async def delete_pattern(self, pattern: str) -> int:
        deleted = 0
        batch: list[str] = []
        async for key in self._redis.scan_iter(match=to_glob(self._key(pattern)), count=_SCAN_BATCH):
            batch.append(key)
            if len(batch) >= _SCAN_BATCH:
                deleted += int(await self._redis.unlink(*batch))
                batch.clear()
        if batch:
            deleted += int(await self._redis.unlink(*batch))
        return deleted

    async def incr(self, key: str, amount: int = 1, ttl: int = CACHE_TTL_1_HOUR) -> int:
        return int(await self._incr(keys=[self._key(key)], args=[amount, check_ttl(ttl)]))

    async def health(self) -> bool:
        try:
            return bool(await self._redis.ping())
        except (RedisError, OSError):
            return False

    async def close(self) -> None:
        await self._redis.aclose()

    def _key(self, key: str) -> str:
        return self._prefix + check_key(key)


def to_glob(pattern: str) -> str:
    r"""A `*` pattern for SCAN: `?`, `[`, `]` and `\` stand for themselves."""
    return re.sub(r"([\\?\[\]])", r"\\\1", pattern)
