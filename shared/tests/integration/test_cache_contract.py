"""What the cache promises, tried on Postgres and on Redis with the same cases."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from shared.cache import (
    CACHE_TTL_1_MINUTE,
    Cache,
    PostgresCache,
    RedisCache,
    build_campaign_key,
    build_contact_key,
    build_stats_key,
    build_template_key,
    build_tenant_key,
    make_cache,
)
from shared.database import SimpleDatabase


@pytest.fixture(params=["postgres", "redis"])
async def cache(
    request: pytest.FixtureRequest, open_database: Callable[..., Awaitable[SimpleDatabase]], tmp_path: Path
) -> AsyncIterator[Cache]:
    if request.param == "postgres":
        yield PostgresCache(await open_database("campaign"))
        return
    async with redis_url(tmp_path) as url:
        cache = RedisCache(url, namespace=uuid4().hex)
        yield cache
        await cache.delete_pattern("*")
        await cache.close()


@asynccontextmanager
async def redis_url(folder: Path) -> AsyncIterator[str]:
    """TEST_REDIS_URL, or a server of this test's own on a free port."""
    if given := os.environ.get("TEST_REDIS_URL"):
        yield given
        return
    if shutil.which("redis-server") is None:
        pytest.skip("no Redis: neither TEST_REDIS_URL nor a redis-server program")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = await asyncio.create_subprocess_exec("redis-server", *options, stdout=asyncio.subprocess.DEVNULL)
    try:
        await _until_up(f"redis://127.0.0.1:{port}")
        yield f"redis://127.0.0.1:{port}"
    finally:
        server.terminate()
        await server.wait()


async def _until_up(url: str) -> None:
    probe = RedisCache(url, namespace="probe")
    async with asyncio.timeout(20):
        while True:
            if await probe.health():
                break
            await asyncio.sleep(0.02)
    await probe.close()


@pytest.mark.parametrize(
    "value", [{"a": [1, 2.5, None, True]}, [], "text \u0000 \N{PARTY POPPER}", 0, False, 10**12]
)
async def test_value_comes_back_as_it_was(cache: Cache, value: Any) -> None:
    await cache.set("key", value)
    assert await cache.get("key") == value
    assert type(await cache.get("key")) is type(value)


async def test_missing_key_is_none_and_set_replaces(cache: Cache) -> None:
    assert await cache.get("key") is None
    await cache.set("key", 1)
    await cache.set("key", 2)
    assert await cache.get("key") == 2


async def test_value_expires(cache: Cache) -> None:
    await cache.set("short", "x", ttl=1)
    await cache.set("long", "x", ttl=CACHE_TTL_1_MINUTE)
    assert await cache.get("short") == "x"
    await asyncio.sleep(1.2)
    assert await cache.get("short") is None
    assert await cache.delete("short") is False
    assert await cache.get("long") == "x"


async def test_delete_tells_whether_there_was_something(cache: Cache) -> None:
    await cache.set("key", 1)
    assert await cache.delete("key") is True
    assert await cache.delete("key") is False


async def test_pattern_clears_one_tenant_and_no_other(cache: Cache) -> None:
    keys = [build_contact_key(1, "c"), build_stats_key(1, "overview"), build_campaign_key(1, "x")]
    others = [build_template_key(10, "t"), "tenant:1", "other:tenant:1:a"]
    for key in keys + others:
        await cache.set(key, 1)
    assert await cache.delete_pattern("tenant:1:*") == 3
    assert [await cache.get(key) for key in keys] == [None] * 3
    assert [await cache.get(key) for key in others] == [1] * 3


@pytest.mark.parametrize("wild", ["%", "_", "?", "[ab]", "\\", "a\\*"])
async def test_only_the_star_is_special_in_a_pattern(cache: Cache, wild: str) -> None:
    await cache.set("a:x", 1)
    await cache.set(f"{wild}:x", 1)
    assert await cache.delete_pattern(f"{wild}:*") == 1
    assert await cache.get("a:x") == 1


async def test_a_star_in_the_middle_and_large_clearings(cache: Cache) -> None:
    for n in range(1200):
        await cache.set(f"a:{n}:z", n)
    await cache.set("a:1:y", 1)
    assert await cache.delete_pattern("a:*:z") == 1200
    assert await cache.get("a:1:y") == 1


async def test_counter_counts_every_call_and_ends_in_time(cache: Cache) -> None:
    values = await asyncio.gather(*(cache.incr("hits", ttl=1) for _ in range(20)))
    assert sorted(values) == list(range(1, 21))
    assert await cache.incr("hits", 5, ttl=60) == 25
    assert await cache.get("hits") == 25
    await asyncio.sleep(1.2)
    assert await cache.incr("hits") == 1


async def test_what_json_cannot_hold_and_bad_keys_are_refused(cache: Cache) -> None:
    for value in (object(), float("nan")):
        with pytest.raises((TypeError, ValueError)):
            await cache.set("key", value)
    for key in ("", "x" * 513, "line\nbreak"):
        with pytest.raises(ValueError, match="cache key"):
            await cache.get(key)
    with pytest.raises(ValueError, match="time to live"):
        await cache.set("key", 1, ttl=0)


async def test_health_is_true_while_the_server_answers(cache: Cache) -> None:
    assert await cache.health() is True


async def test_health_is_false_without_a_server() -> None:
    cache = RedisCache("redis://127.0.0.1:1", namespace="x")
    assert await cache.health() is False
    await cache.close()


async def test_expired_rows_are_removed_from_postgres(
    open_database: Callable[..., Awaitable[SimpleDatabase]],
) -> None:
    db = await open_database("campaign")
    cache = PostgresCache(db)
    await cache.set("old", 1, ttl=1)
    await cache.set("new", 1)
    await asyncio.sleep(1.1)
    assert await cache.forget_expired() == 1
    assert await db.query("SELECT key FROM cache_entry") == [{"key": "new"}]


async def test_address_decides_where_values_are_kept(
    open_database: Callable[..., Awaitable[SimpleDatabase]], tmp_path: Path
) -> None:
    db = await open_database("campaign")
    assert isinstance(make_cache(db), PostgresCache)
    async with redis_url(tmp_path) as url:
        cache, plain = make_cache(db, url), Redis.from_url(url)
        key = build_tenant_key(1, uuid4().hex)
        await cache.set(key, 1)
        assert await plain.exists(f"campaign:{key}") == 1
        await cache.delete(key)
        await cache.close()
        await plain.aclose()
