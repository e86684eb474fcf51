"""A cache with one interface, in Postgres or in Redis."""

from __future__ import annotations

import os

from pydantic import SecretStr

from shared.cache.base import (
    CACHE_TTL_1_DAY,
    CACHE_TTL_1_HOUR,
    CACHE_TTL_1_MINUTE,
    CACHE_TTL_5_MINUTES,
    CACHE_TTL_15_MINUTES,
    Cache,
    build_campaign_key,
    build_contact_key,
    build_stats_key,
    build_template_key,
    build_tenant_key,
)
from shared.cache.postgres import PostgresCache
from shared.cache.redis import RedisCache
from shared.database import SimpleDatabase, get_database

__all__ = [
    "CACHE_TTL_1_DAY",
    "CACHE_TTL_1_HOUR",
    "CACHE_TTL_1_MINUTE",
    "CACHE_TTL_5_MINUTES",
    "CACHE_TTL_15_MINUTES",
    "Cache",
    "PostgresCache",
    "RedisCache",
    "build_campaign_key",
    "build_contact_key",
    "build_stats_key",
    "build_template_key",
    "build_tenant_key",
    "get_cache",
    "make_cache",
]

_default: Cache | None = None


def make_cache(db: SimpleDatabase, redis_url: SecretStr | str | None = None) -> Cache:
    """The cache of a service: in Redis when an address is given, else in the service's own schema."""
    if not redis_url:
        return PostgresCache(db)
    url = redis_url.get_secret_value() if isinstance(redis_url, SecretStr) else redis_url
    return RedisCache(url, namespace=db.schema)


def get_cache() -> Cache:
    """The process's cache, on REDIS_URL or the default database. RuntimeError before `init_database`."""
    global _default
    if _default is None:
        _default = make_cache(get_database(), os.environ.get("REDIS_URL"))
    return _default
