"""How fast codes are given out over HTTP, beside a bare endpoint that runs the same function.

    python3 bench/allocate_http.py [--seconds 5] [--rounds 3] [--connections 32]

Measured in turn, in one run, on one Postgres, each from a pool of its own:
- bare: a FastAPI route that calls the SQL function of allocation through asyncpg and answers with its row:
  no token, no checks, no log;
- code-service: POST /codes/allocate with an access token, validation, access log and metrics.
TEST_POSTGRES_DSN names the server; without it a durable one (fsync, synchronous_commit on) is started.
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
from uuid import UUID

import asyncpg

from bench.code_http import bare, service
from bench.http_load import Target, heading, options, peak_memory, rounds, table
from deploy.local.postgres import PostgresServer
from shared.testing import TokenMint, fresh_database
from shared.testing.databases import ensure_template
from shared.utils.ids import uuid7

_CODES = 60_000
#: The same function with one wish, and the answer in the shape of ours.
_ROUTE = """
from datetime import datetime, UTC
from uuid import UUID
TENANT = UUID("{tenant}")
SQL = ("SELECT * FROM allocate_each($1, 'discount', 'bare', $2, ARRAY['used'], ARRAY[NULL::text],"
       " ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[''], ARRAY[NULL::timestamptz], ARRAY['bench'],"
       " ARRAY[NULL::text])")

@app.post("/codes/allocate")
async def allocate():
    row = await app.state.pool.fetchrow(SQL, TENANT, datetime.now(UTC))
    data = dict(code=row["code"], id=row["id"], allocated_at=row["allocated_at"], status=row["status"])
    return dict(success=True, data=data, message=None, timestamp=datetime.now(UTC))
"""


async def fill(dsn: str, tenant: UUID) -> None:
    admin = await asyncpg.connect(dsn)
    for pool in ("bare", "ours"):
        await admin.execute(
            """INSERT INTO code.code (tenant_id, id, code, type, pool)
               SELECT $1, code.event_id(n % 1000), $2 || '-' || n, 'discount', $2
               FROM generate_series(1, $3::int) AS n""",
            tenant,
            pool,
            _CODES,
        )
    await admin.execute("VACUUM ANALYZE code.code")
    await admin.execute("CHECKPOINT")
    await admin.close()


async def given(dsn: str) -> tuple[int, int]:
    """Codes used, and allocations in the history: the same number, or a code went out twice."""
    admin = await asyncpg.connect(dsn)
    used = await admin.fetchval("SELECT count(*) FROM code.code WHERE status = 'used'")
    noted = await admin.fetchval("SELECT count(*) FROM code.code_event WHERE action = 'allocate'")
    await admin.close()
    return used, noted


def measure(options: argparse.Namespace, dsn: str, mint: TokenMint, tenant: UUID) -> None:
    keys = asyncio.run(mint.fetch_jwks())
    with (
        bare(dsn, keys, _ROUTE.format(tenant=tenant)) as peer,
        service(dsn, peer.port) as code,
    ):
        token = (("Authorization", f"Bearer {mint.token(tenant, exp=4_000_000_000)}"),)
        path = "/codes/allocate"
        targets = [
            (Target("bare", peer.port, path, "POST"), peer.process),
            (Target("code-service", code.port, f"{path}?pool=ours", "POST", token), code.process),
        ]
        found = rounds(
            targets, count=options.rounds, connections=options.connections, seconds=options.seconds
        )
        table(found, ["bare"])
        print(f"\nPeak memory: code-service {peak_memory(code.process):.0f} MiB, bare", end=" ")
        print(f"{peak_memory(peer.process):.0f} MiB")
    used, noted = asyncio.run(given(dsn))
    print(f"Codes given out: {used:,}, allocations in the history: {noted:,}")


async def run(options: argparse.Namespace) -> None:
    tenant = uuid7()
    async with fresh_database(await ensure_template()) as dsn:
        await fill(dsn, tenant)
        await asyncio.to_thread(measure, options, dsn, TokenMint(), tenant)


def main() -> None:
    given = options(__doc__)
    if not os.environ.get("TEST_POSTGRES_DSN"):
        os.environ["TEST_POSTGRES_DSN"] = PostgresServer(ROOT / ".tidings" / "bench" / "durable").start()
    servers = "each server 1 process, uvicorn (httptools), 10 connections to Postgres"
    print(heading(given, servers))
    asyncio.run(run(given))


if __name__ == "__main__":
    main()
