"""How fast short links lead on, beside a bare endpoint and through the public door.

    python3 bench/redirect.py [--seconds 5] [--rounds 3] [--connections 32]

Measured in turn, in one run, on one Postgres:
- bare: a FastAPI route that answers 302 after one select by asyncpg, with no click recorded;
- code-service: GET /l/{short_id}, with checks, click, access log and metrics;
- gateway: the same through the public door, in front of that code-service.
All clicks must be on record after the clean stop.
TEST_POSTGRES_DSN names the server; without it the one of the test set-up is started.
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
from typing import Any

import asyncpg

from bench.code_http import bare, service
from bench.http_load import Target, heading, options, peak_memory, rounds, table
from deploy.local import testservers
from shared.testing import TokenMint, fresh_database
from shared.testing.databases import ensure_template
from shared.utils.ids import uuid7

_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_ROUTE = """
@app.get("/l/{short_id}")
async def follow(short_id: str):
    row = await app.state.pool.fetchrow("SELECT target_url FROM link WHERE short_id = $1", short_id)
    return Response(status_code=302, headers={"location": row["target_url"]})
"""


async def make_links(dsn: str) -> None:
    admin = await asyncpg.connect(dsn)
    # The bare app has no tenant: it reads the links as their owner would.
    await admin.execute("ALTER TABLE code.link DISABLE ROW LEVEL SECURITY")
    await admin.execute(
        """INSERT INTO code.link (tenant_id, id, short_id, url, target_url)
           SELECT $1, code.event_id(), 'bench-' || n, $2 || n, $2 || n FROM generate_series(1, 1000) AS n""",
        uuid7(),
        "https://shop.example.com/landing?utm_source=mail&n=",
    )
    await admin.execute("ANALYZE code.link")
    await admin.close()


async def clicks(dsn: str) -> int:
    """Clicks on record, once the service has written all."""
    admin = await asyncpg.connect(dsn)
    number = int(await admin.fetchval("SELECT count(*) FROM code.link_click"))
    await admin.close()
    return number


def measure(options: argparse.Namespace, dsn: str, keys: dict[str, Any]) -> None:
    with (
        bare(dsn, keys, _ROUTE) as peer,
        service(dsn, peer.port) as code,
        service(dsn, peer.port, "webhook_gateway", code.port) as door,
    ):
        agent = (("User-Agent", _BROWSER),)
        targets = [
            (Target("bare", peer.port, "/l/bench-1", headers=agent), peer.process),
            (Target("code-service", code.port, "/l/bench-1", headers=agent), code.process),
            (Target("gateway", door.port, "/l/bench-1", headers=agent), door.process),
        ]
        found = rounds(
            targets, count=options.rounds, connections=options.connections, seconds=options.seconds
        )
        table(found, ["bare"])
        print(f"\nPeak memory: code-service {peak_memory(code.process):.0f} MiB,", end=" ")
        print(f"gateway {peak_memory(door.process):.0f} MiB, bare {peak_memory(peer.process):.0f} MiB")
        time.sleep(1)
    print(f"Clicks on record after a clean stop: {asyncio.run(clicks(dsn)):,}")


async def run(options: argparse.Namespace) -> None:
    keys = await TokenMint().fetch_jwks()
    async with fresh_database(await ensure_template()) as dsn:
        await make_links(dsn)
        await asyncio.to_thread(measure, options, dsn, keys)


def main() -> None:
    given = options(__doc__)
    if not os.environ.get("TEST_POSTGRES_DSN"):
        os.environ.update(testservers.start(ROOT / ".tidings" / "bench"))
    servers = "each server 1 process, uvicorn (httptools), 10 connections to Postgres; in bare no access log"
    print(heading(given, servers))
    asyncio.run(run(given))


if __name__ == "__main__":
    main()
