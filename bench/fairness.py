"""What one tenant's very long campaign costs the others, and single messages beside it.

    python3 bench/fairness.py [--long 100000] [--small 500] [--tenants 20]

All tenants but one send small campaigns, first by themselves, then beside the long one; the figure is how
much longer it takes until the last of them is through (target: at most twice). Beside the long campaign a
single message is asked for every 100 ms; timed from its request until its acceptance by the mail server is on
record (target: 99 of 100 under 1 s). Server and settings are those of bench/send.py.
"""

# ruff: noqa: E402  # run as a program, it prepares the environment before the rest can be imported
from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from deploy.local.bootstrap import enter

    enter(__file__)

import argparse
import asyncio
import os
import time
from contextlib import ExitStack
from uuid import UUID

import uvloop

from bench.send import api, environment, free_port, mail_server, postgres, running, seed, wait_for_port
from campaign_service.campaigns import service
from campaign_service.messages import service as messages
from campaign_service.messages.schemas import MessageIn
from shared.testing.databases import ensure_template, fresh_database
from shared.utils import uuid7
from shared.web import Runtime

_MESSAGE = MessageIn.model_validate({"to": {"email": "ann@example.com"}, "subject": "Hi", "text": "Hello"})


async def begin(runtime: Runtime, tenant: UUID, template: UUID) -> UUID:
    """A started campaign to all of a tenant's contacts."""
    campaign = uuid7()
    async with runtime.db.tenant_tx(tenant) as tx:
        await tx.execute(
            """INSERT INTO campaign (tenant_id, id, name, template_id, from_email)
               VALUES ($1, $2, 'Spring', $3, 'news@example.com')""",
            tenant,
            campaign,
            template,
        )
        await service.start(tx, runtime, tenant, campaign, runtime.clock.now())
    return campaign


async def ended(runtime: Runtime, campaigns: list[UUID]) -> None:
    while True:
        async with runtime.db.system_tx() as tx:
            left = await tx.fetchval(
                "SELECT count(*) FROM campaign WHERE id = ANY($1::uuid[]) AND status = 'sending'", campaigns
            )
        if not left:
            return
        await asyncio.sleep(0.05)


async def small_ones(runtime: Runtime, tenants: list[tuple[UUID, UUID]]) -> float:
    """Seconds until the campaigns of all these are through."""
    campaigns = [await begin(runtime, *tenant) for tenant in tenants]
    begun = time.perf_counter()
    await ended(runtime, campaigns)
    return time.perf_counter() - begun


async def ask_for_messages(runtime: Runtime, tenant: UUID, stop: asyncio.Event) -> None:
    while not stop.is_set():
        async with runtime.db.tenant_tx(tenant) as tx:
            await messages.submit(tx, runtime, tenant, uuid7(), _MESSAGE)
        await asyncio.sleep(0.1)


async def waits(runtime: Runtime, tenant: UUID) -> list[float]:
    """Seconds of each message, in order of length. Waits for those that are still under way."""
    sql = """SELECT extract(epoch FROM accepted_at - created_at)::float8 AS s FROM message
             WHERE tenant_id = $1 ORDER BY 1"""
    while True:
        rows = [row["s"] for row in await runtime.db.query(sql, [tenant], tenant_id=tenant)]
        if None not in rows:
            return rows
        await asyncio.sleep(0.2)


async def measure(runtime: Runtime, arguments: argparse.Namespace) -> int:
    long = await seed(runtime.db, arguments.long)
    small = [await seed(runtime.db, arguments.small) for _ in range(arguments.tenants - 1)]
    alone = await small_ones(runtime, small)
    stop = asyncio.Event()
    whole = await begin(runtime, *long)
    asking = asyncio.create_task(ask_for_messages(runtime, small[0][0], stop))
    beside = await small_ones(runtime, small)
    await ended(runtime, [whole])
    stop.set()
    await asking
    seconds = await waits(runtime, small[0][0])
    p99 = seconds[int(len(seconds) * 0.99)]
    print(f"small campaigns   {len(small)} tenants of {arguments.small}: {alone:.2f} s by themselves")
    print(f"beside {arguments.long:>10} {beside:.2f} s: {beside / alone:.2f} times as long")
    print(f"single messages   {len(seconds)}: p50 {seconds[len(seconds) // 2]:.3f} s, p99 {p99:.3f} s")
    print(f"load              {os.getloadavg()[0]:.1f} (other work on this machine included)")
    return 0 if beside <= 2 * alone and p99 < 1 else 1


async def main(arguments: argparse.Namespace) -> int:
    async with fresh_database(await ensure_template()) as dsn:
        with mail_server() as (port, server), ExitStack() as stack:
            env = environment(dsn, port, arguments)
            async with api(env) as runtime:
                own = os.environ | env | {"SERVICE_ROLE": "worker", "PORT": str(free_port())}
                command = [sys.executable, "-m", "campaign_service", "--role", "worker"]
                stack.enter_context(running(command, env=own))
                wait_for_port(int(own["PORT"]))
                print(f"mail server       {server}")
                return await measure(runtime, arguments)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--long", type=int, default=100_000)
    parser.add_argument("--small", type=int, default=500)
    parser.add_argument("--tenants", type=int, default=20)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--window", type=int, default=25)
    options = parser.parse_args()
    with postgres():
        status = uvloop.run(main(options))
    sys.exit(status)
