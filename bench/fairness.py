"""What one tenant's very long campaign costs the others, and single messages beside it.

    python3 bench/fairness.py [--queued 1000000] [--small 500] [--tenants 20] [--long 100000]

All tenants but one send small campaigns, first by themselves, then beside the one with `--queued` mails in
its queue; the figure is how much longer it takes until the last of them is through (target: at most twice).
That campaign is then cancelled, and another of `--long` mails sent to its end. Beside it a single message is
asked for every 100 ms; timed from its request until its acceptance by the mail server is on record (target:
99 of 100 under 1 s). With 0 for `--queued` or `--long` that part is left out. Server and settings are those
of bench/send.py.
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

from bench.send import (
    api,
    environment,
    free_port,
    mail_server,
    postgres,
    running,
    seed,
    sender_options,
    wait_for_port,
)
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


async def beside_a_queue(runtime: Runtime, arguments: argparse.Namespace) -> bool:
    """The small campaigns with and without a long queue beside them; whether the target is met."""
    long = await seed(runtime.db, arguments.queued)
    small = [await seed(runtime.db, arguments.small) for _ in range(arguments.tenants - 1)]
    await small_ones(runtime, small)  # the first round compiles and connects
    alone = await small_ones(runtime, small)
    queue = await begin(runtime, *long)
    beside = await small_ones(runtime, small)
    async with runtime.db.tenant_tx(long[0]) as tx:
        await service.cancel(tx, long[0], queue, runtime.clock.now())
    after = await small_ones(runtime, small)
    usual = (alone + after) / 2
    print(
        f"small campaigns   {len(small)} tenants of {arguments.small}: {alone:.2f} s by themselves before, "
        f"{after:.2f} s after"
    )
    print(f"beside {arguments.queued:>10} {beside:.2f} s: {beside / usual:.2f} times as long")
    return beside <= 2 * usual


async def messages_beside(runtime: Runtime, arguments: argparse.Namespace) -> bool:
    """Single messages while a campaign is sent; whether the target is met."""
    long, other = await seed(runtime.db, arguments.long), await seed(runtime.db, 1)
    stop, begun = asyncio.Event(), time.perf_counter()
    whole = await begin(runtime, *long)
    asking = asyncio.create_task(ask_for_messages(runtime, other[0], stop))
    await ended(runtime, [whole])
    stop.set()
    await asking
    lasted = time.perf_counter() - begun
    seconds = await waits(runtime, other[0])
    p99 = seconds[int(len(seconds) * 0.99)]
    print(f"campaign          {arguments.long} mails in {lasted:.1f} s")
    print(
        f"single messages   {len(seconds)} beside it: p50 {seconds[len(seconds) // 2]:.3f} s, "
        f"p99 {p99:.3f} s, longest {seconds[-1]:.3f} s"
    )
    return p99 < 1


async def measure(runtime: Runtime, arguments: argparse.Namespace) -> int:
    met = [not arguments.queued or await beside_a_queue(runtime, arguments)]
    met.append(not arguments.long or await messages_beside(runtime, arguments))
    print(f"load              {os.getloadavg()[0]:.1f} (other work on this machine included)")
    return 0 if all(met) else 1


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
    parser = sender_options(__doc__)
    parser.add_argument("--queued", type=int, default=1_000_000)
    parser.add_argument("--long", type=int, default=100_000)
    parser.add_argument("--small", type=int, default=500)
    parser.add_argument("--tenants", type=int, default=20)
    options = parser.parse_args()
    with postgres():
        status = uvloop.run(main(options))
    sys.exit(status)
