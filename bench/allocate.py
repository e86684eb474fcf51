"""How fast codes are given out from one hot pool.

    python3 bench/allocate.py [--codes 200000] [--connections 32] [--peer 40000]

In one run and one database, each from a pool of 100,000, `--peer` codes:
- ours: the function that code-service calls, with history, events and the use recorded;
- ours, bare: the same way of choosing (a random place, then the ring), but nothing else written;
- plain: `UPDATE … WHERE id = (SELECT … ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)`, nothing else written;
- plain, whole: the plain choice with the history and the events that ours writes.
Then ours until a pool of `--codes` is empty, by tenths, and that every code went out exactly once.
TEST_POSTGRES_DSN names the server; without it the server of the test set-up is started.
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
import itertools
import os
import platform
import time
from uuid import UUID

import asyncpg
import uvloop

from deploy.local import testservers
from shared.database.roles import runtime_dsn
from shared.testing.databases import ROLE_SECRET, ensure_template, fresh_database
from shared.utils import utc_now, uuid7

_PEER_CODES = 100_000
_RING = """SELECT id FROM code WHERE tenant_id = $1 AND type = 'discount' AND pool = $2
  AND status = 'available' AND shard >= $3 ORDER BY shard, id LIMIT 1 FOR UPDATE SKIP LOCKED"""
_PLAIN = """SELECT id FROM code WHERE tenant_id = $1 AND type = 'discount' AND pool = $2
  AND status = 'available' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"""
_TAKE = """UPDATE code SET status = 'allocated', allocated_at = now()
  WHERE tenant_id = $1 AND id = ({chosen}) RETURNING id, code, type"""
_WHOLE = """WITH changed AS ({take}), step (place, name) AS (VALUES (0, 'allocated'), (1, 'used')),
  noted AS (INSERT INTO code_event (tenant_id, code_id, action, to_status, actor, at)
    SELECT $1, h.id, s.name, s.name, 'bench', now() FROM changed h CROSS JOIN step s),
  told AS (INSERT INTO outbox (id, tenant_id, type, source, data)
    SELECT event_id(s.place), $1, 'code.code.' || s.name || '.v1', '/code-service',
           json_build_object('code_id', h.id, 'code', h.code, 'type', h.type)
    FROM changed h CROSS JOIN step s)
  SELECT id FROM changed"""
_OURS = """SELECT id FROM allocate_codes($1, 'discount', $2, 1, 'used', NULL, NULL, NULL, '', NULL, false,
  'bench', NULL, $3)"""


def statement(variant: str) -> str:
    plain, ring = _TAKE.format(chosen=_PLAIN), _TAKE.format(chosen=_RING)
    return {"ours": _OURS, "ours, bare": ring, "plain": plain, "plain, whole": _WHOLE.format(take=plain)}[
        variant
    ]


class Figures:
    """Codes given out, when, and how long each took."""

    def __init__(self) -> None:
        self.began = 0.0
        self.ids: list[UUID] = []
        self.ends: list[float] = []
        self.times: list[float] = []

    def add(self, code_id: UUID, began: float) -> None:
        now = time.perf_counter()
        self.ids.append(code_id)
        self.ends.append(now)
        self.times.append(now - began)

    @property
    def rate(self) -> float:
        return len(self.ends) / (self.ends[-1] - self.began)

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return 1000 * sorted(self.times)[int(len(self.times) * 0.99) - 1]

    def tenths(self) -> list[float]:
        """Rate of each tenth."""
        size = len(self.ends) // 10
        marks = [self.began, *(self.ends[(n + 1) * size - 1] for n in range(10))]
        return [size / (later - earlier) for earlier, later in itertools.pairwise(marks)]


class Bench:
    def __init__(self, admin: asyncpg.Connection, pool: asyncpg.Pool, connections: int) -> None:
        self.admin = admin
        self.pool = pool
        self.connections = connections
        self.tenant = uuid7()

    async def fill(self, pool: str, count: int) -> None:
        await self.admin.execute(
            """INSERT INTO code.code (tenant_id, id, code, type, pool)
               SELECT $1, code.event_id(n % 1000), $2 || '-' || n, 'discount', $2
               FROM generate_series(1, $3::int) AS n""",
            self.tenant,
            pool,
            count,
        )
        await self.admin.execute("VACUUM ANALYZE code.code")

    async def index_for(self, variant: str) -> None:
        """Each way of choosing has the index that suits it, and no other."""
        order = "id" if variant.startswith("plain") else "shard, id"
        await self.admin.execute("DROP INDEX code.code_free")
        await self.admin.execute(
            f"CREATE INDEX code_free ON code.code (tenant_id, type, pool, {order}) WHERE status = 'available'"
        )

    async def run(self, variant: str, pool: str, most: int) -> Figures:
        """Callers in parallel, until the pool is empty or `most` codes are out."""
        figures = Figures()
        sql = statement(variant)

        async def caller() -> None:
            async with self.pool.acquire() as connection:
                # The plain statements see the tenant's rows as the service does.
                await connection.execute(f"SET app.tenant_id = '{self.tenant}'")
                while len(figures.ids) < most:
                    last = [utc_now()] if variant == "ours" else [hash(time.perf_counter()) % 1024]
                    arguments = [self.tenant, pool, *(last if "ours" in variant else [])]
                    began = time.perf_counter()
                    found = await connection.fetchval(sql, *arguments)
                    if found is None:
                        return
                    figures.add(found, began)

        figures.began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(self.connections)))
        return figures


async def peers(bench: Bench, take: int) -> None:
    variants = ("ours", "ours, bare", "plain", "plain, whole")
    rates: dict[str, Figures] = {}
    for variant in variants:
        name = variant.replace(", ", "-")
        await bench.fill(name, _PEER_CODES)
        await bench.index_for(variant)
        rates[variant] = await bench.run(variant, name, take)
    await bench.index_for("ours")
    print(f"{'':<14}{'codes/s':>10}{'p99 ms':>9}{'ours to it':>12}{'last to first tenth':>21}")
    for variant, figures in rates.items():
        ratio, tenths = rates["ours"].rate / figures.rate, figures.tenths()
        decay = tenths[-1] / tenths[0]
        print(f"{variant:<14}{figures.rate:>10,.0f}{figures.p99:>9.1f}{ratio:>12.2f}{decay:>21.2f}")
    print(f"bare choice to plain: {rates['ours, bare'].rate / rates['plain'].rate:.1f}")


async def drain(bench: Bench, codes: int) -> None:
    await bench.fill("drain", codes)
    figures = await bench.run("ours", "drain", 2 * codes)
    tenths = figures.tenths()
    print(
        f"\nuntil empty: {len(figures.ids):,} codes, {len(set(figures.ids)):,} different,"
        f" {figures.rate:,.0f}/s"
    )
    print("by tenths: " + " ".join(f"{rate:,.0f}" for rate in tenths))
    print(f"last tenth to first: {tenths[-1] / tenths[0]:.2f}")


async def main() -> None:
    options = arguments()
    async with fresh_database(await ensure_template()) as dsn:
        admin = await asyncpg.connect(dsn)
        url = runtime_dsn(dsn, "code", ROLE_SECRET)
        size = options.connections
        pool = await asyncpg.create_pool(
            url, min_size=size, max_size=size, server_settings={"search_path": "code"}
        )
        cores = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        print(f"Machine: {cores}; Python {sys.version.split()[0]}; {size} connections\n")
        bench = Bench(admin, pool, size)
        await peers(bench, options.peer)
        await drain(bench, options.codes)
        await pool.close()
        await admin.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--codes", type=int, default=200_000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--peer", type=int, default=40_000)
    return parser.parse_args()


if __name__ == "__main__":
    if not os.environ.get("TEST_POSTGRES_DSN"):
        os.environ.update(testservers.start(ROOT / ".tidings" / "bench"))
    uvloop.run(main())
