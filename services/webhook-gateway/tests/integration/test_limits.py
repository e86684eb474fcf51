"""The rate limit: headers, who is counted, and exact counts across processes."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from uuid import UUID

import pytest

from shared.database.roles import runtime_dsn
from shared.testing import TokenMint
from shared.testing.databases import ROLE_SECRET
from shared.testing.plugin import OpenDatabase
from shared.utils.clock import SystemClock
from webhook_gateway.limits.repository import LimiterUnavailableError
from webhook_gateway.limits.service import RateLimiter

from .support import StartGateway

CONTACTS = "/api/v2/contacts"


async def test_requests_above_the_limit_are_429_with_all_headers(
    start_gateway: StartGateway, auth: dict[str, str]
) -> None:
    gateway = await start_gateway(rate_limit_enabled=True, rate_limit_requests=3, rate_limit_window=3600)

    allowed = [await gateway.http.get(CONTACTS, headers=auth) for _ in range(3)]
    refused = await gateway.http.get(CONTACTS, headers=auth)

    assert [answer.status_code for answer in allowed] == [200, 200, 200]
    assert [answer.headers["x-ratelimit-remaining"] for answer in allowed] == ["2", "1", "0"]
    assert allowed[0].headers["ratelimit-policy"] == '"default";q=3;w=3600'
    assert allowed[0].headers["ratelimit"].startswith('"default";r=2;t=')
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    assert refused.headers["x-ratelimit-limit"] == "3"


async def test_each_caller_has_a_limit_of_their_own(
    start_gateway: StartGateway, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    gateway = await start_gateway(rate_limit_enabled=True, rate_limit_requests=1)
    callers = [mint.headers(tenant_a), mint.headers(tenant_a), mint.headers(tenant_b), {"X-API-Key": "good"}]

    for headers in callers:
        assert (await gateway.http.get(CONTACTS, headers=headers)).status_code == 200
        assert (await gateway.http.get(CONTACTS, headers=headers)).status_code == 429


async def test_tracking_health_and_preflight_are_not_counted(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(
        rate_limit_enabled=True, rate_limit_requests=1, cors_origins=["https://app.example.com"]
    )
    preflight = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}

    for _ in range(3):
        assert (await gateway.http.get("/t/o/x")).status_code == 200
        assert (await gateway.http.get("/version")).status_code == 200
        assert (await gateway.http.options("/auth/login", headers=preflight)).status_code == 204
        assert (await gateway.http.post("/hooks/none", content=b"{}")).status_code == 401
    assert (await gateway.http.post("/auth/login")).status_code == 200
    assert (await gateway.http.post("/auth/login")).status_code == 429


async def test_limit_of_a_short_window_ends(start_gateway: StartGateway, auth: dict[str, str]) -> None:
    gateway = await start_gateway(rate_limit_enabled=True, rate_limit_requests=2, rate_limit_window=1)

    async def ask() -> int:
        return (await gateway.http.get(CONTACTS, headers=auth)).status_code

    assert 429 in await asyncio.gather(*(ask() for _ in range(9)))
    while await ask() != 200:  # noqa: ASYNC110  # until the window has ended
        await asyncio.sleep(0.05)


async def test_concurrent_requests_of_one_process_never_pass_the_limit(open_database: OpenDatabase) -> None:
    db = await open_database("gateway")
    limiter = RateLimiter(db, SystemClock(), limit=100, window=3600)

    verdicts = await asyncio.gather(*(limiter.take(f"user:{n % 3}") for n in range(900)))

    assert sum(verdict.allowed for verdict in verdicts) == 300
    assert min(verdict.remaining for verdict in verdicts if verdict.allowed) == 0


async def test_counters_that_cannot_be_reached_are_said(open_database: OpenDatabase) -> None:
    db = await open_database("gateway")
    limiter = RateLimiter(db, SystemClock(), limit=100, window=3600)
    await db.get_pool().close()

    with pytest.raises(LimiterUnavailableError):
        await limiter.take("user:1")


HAMMER = textwrap.dedent(
    """
    import asyncio, sys
    from shared.config import DatabaseConfig
    from shared.database import SimpleDatabase
    from shared.utils.clock import SystemClock
    from webhook_gateway.limits.service import RateLimiter

    async def main(url, takes):
        db = SimpleDatabase(DatabaseConfig(url=url), "gateway")
        await db.connect()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        limiter = RateLimiter(db, SystemClock(), limit=500, window=86400)
        gate = asyncio.Semaphore(20)
        async def take(number):
            async with gate:
                return (await limiter.take(f"key:{number % 2}")).allowed
        print(sum(await asyncio.gather(*(take(n) for n in range(takes)))))
        await db.close()

    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
    """
)


async def test_two_processes_together_allow_exactly_the_limit(database_dsn: str) -> None:
    url = runtime_dsn(database_dsn, "gateway", ROLE_SECRET)
    command = [sys.executable, "-c", HAMMER, url, "1500"]
    pipe = asyncio.subprocess.PIPE
    processes = [await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"

    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))

    # Two callers, 500 each, 1,500 tries of each from two processes. Either may be the quicker one.
    assert sum(int(out) for out, _ in outputs) == 1000
