"""The interface of a cache, its times to live and its key builders."""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID

CACHE_TTL_1_MINUTE = 60
CACHE_TTL_5_MINUTES = 300
CACHE_TTL_15_MINUTES = 900
CACHE_TTL_1_HOUR = 3600
CACHE_TTL_1_DAY = 86400

MAX_KEY_LENGTH = 512

Id = UUID | str | int


class Cache(Protocol):
    """Values that may be lost at any moment. Values are whatever JSON can hold; `ttl` is in seconds.

    Keys have at most 512 characters, without control characters (ValueError). Faults of the server are
    raised, except by `health`.
    """

    async def get(self, key: str) -> Any:
        """The value, or None when there is none or it has expired."""

    async def set(self, key: str, value: Any, ttl: int = CACHE_TTL_5_MINUTES) -> None:
        """Store a value, in place of an older one. TypeError or ValueError for what JSON cannot hold."""

    async def delete(self, key: str) -> bool:
        """Whether there was a value to delete."""

    async def delete_pattern(self, pattern: str) -> int:
        """Delete all keys like `tenant:1:*`; how many. Only `*` is special, and means any characters."""

    async def incr(self, key: str, amount: int = 1, ttl: int = CACHE_TTL_1_HOUR) -> int:
        """Add to a counter, which starts at 0 and lives `ttl` seconds from its first count; the new value."""

    async def health(self) -> bool:
        """Whether the cache answers."""

    async def close(self) -> None:
        """Give back connections."""


def check_key(key: str) -> str:
    if not key or len(key) > MAX_KEY_LENGTH or not key.isprintable():
        raise ValueError("a cache key has 1 to 512 printable characters")
    return key


def check_ttl(ttl: int) -> int:
    if ttl <= 0:
        raise ValueError("a time to live is a positive number of seconds")
    return ttl


def build_tenant_key(tenant_id: Id, suffix: str) -> str:
    """`tenant:<id>:<suffix>`; `delete_pattern(build_tenant_key(id, "*"))` clears one tenant."""
    return f"tenant:{tenant_id}:{suffix}"


def build_contact_key(tenant_id: Id, contact_id: Id) -> str:
    return build_tenant_key(tenant_id, f"contact:{contact_id}")


def build_campaign_key(tenant_id: Id, campaign_id: Id) -> str:
    return build_tenant_key(tenant_id, f"campaign:{campaign_id}")


def build_template_key(tenant_id: Id, template_id: Id) -> str:
    return build_tenant_key(tenant_id, f"template:{template_id}")


def build_stats_key(tenant_id: Id, name: str) -> str:
    return build_tenant_key(tenant_id, f"stats:{name}")
