"""How fast codes are given out from one hot pool.

    python3 bench/allocate.py [--codes 200000] [--connections 32] [--peer 40000] [--seconds 150]

In one run, on one durable server (fsync, synchronous_commit on), each from a fresh pool of as many codes
beside another pool, with an index made for its way of choosing, until the pool is empty or the time is over:
- ours: what code-service does for an HTTP request, with history, events and the use recorded. Callers who
  come at the same moment are served by one statement;
- plain: `UPDATE … WHERE id = (SELECT … ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)`, nothing else written.
  The last column is the index that Postgres walks: by the primary key it passes all codes that are gone;
- plain, best plan: ordered by a column that only its own index has, so that it walks free codes alone;
- plain, whole: that with the history and the events that ours writes;
- ours, each alone: a statement and a commit for each caller.
Then the first three while another session keeps a snapshot open, as backups and reports do: entries of codes
that are gone cannot be cleaned away then, and who begins at the head of the index walks past all of them.

`CPU us` is what a code costs the processors, here and in Postgres: a busy machine disturbs it less.

In a quiet database the ratio to plain with a good plan is bounded by what ours writes beside the code: of 40
us a code in Postgres (32 callers a statement), 10 go to its two events and 10 to its history.
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
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import psutil
import uvloop

from code_service.allocation import repository
from code_service.allocation.desk import AllocationDesk
from code_service.allocation.repository import Wish
from deploy.local.postgres import PostgresServer
from shared.database import SimpleDatabase
from shared.testing.databases import ensure_template, fresh_database, runtime_database
from shared.utils import utc_now, uuid7

_CHOICE = """SELECT id FROM code WHERE tenant_id = $1 AND type = 'discount' AND pool = $2
  AND status = 'available' ORDER BY {order} LIMIT 1 FOR UPDATE SKIP LOCKED"""
_TAKE = """UPDATE code SET status = 'used', allocated_at = now(), used_at = now()
  WHERE tenant_id = $1 AND id = ({choice}) RETURNING id, code, type"""
#: Ordered by id, Postgres may walk the primary key; by the time of making, it has one index to walk.
_BY_ID = _TAKE.format(choice=_CHOICE.format(order="id"))
_BY_TIME = _TAKE.format(choice=_CHOICE.format(order="created_at, id"))
_WHOLE = f"""WITH changed AS ({_BY_TIME}), step (place, name) AS (VALUES (0, 'allocated'), (1, 'used')),
  noted AS (INSERT INTO code_event (tenant_id, code_id, action, to_status, actor, at)
    SELECT $1, h.id, s.name, s.name, 'bench', now() FROM changed h CROSS JOIN step s),
  told AS (INSERT INTO outbox (id, tenant_id, source, data, pack_size)
    SELECT event_id(), $1, '/code-service', json_agg(json_build_object(
             'type', 'code.code.' || s.name || '.v1', 'subject', h.id,
             'data', json_build_object('code_id', h.id, 'code', h.code, 'type', h.type))), count(*)
    FROM changed h CROSS JOIN step s HAVING count(*) > 0)
  SELECT id FROM changed"""
STATEMENTS = {"plain": _BY_ID, "plain, best plan": _BY_TIME, "plain, whole": _WHOLE}
ORDERS = {"plain": "id", "plain, best plan": "created_at, id", "plain, whole": "created_at, id"}
Take = Callable[[], Awaitable[UUID | None]]


class Figures:
    """Codes given out, when, and how long each took."""

    def __init__(self) -> None:
        self.began = 0.0
        self.ids: list[UUID] = []
        self.ends: list[float] = []
        self.times: list[float] = []
        self.cost = 0.0  # microseconds of the processors, a code

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
    """Pools of codes on one database, emptied by callers in parallel."""

    def __init__(self, admin: asyncpg.Connection, db: SimpleDatabase, connections: int) -> None:
        self.admin = admin
        self.db = db
        self.connections = connections
        self.tenant = uuid7()

    async def fill(self, variant: str, pool: str, count: int) -> None:
        """Only the codes of this run, and the index that suits its way of choosing."""
        order = ORDERS.get(variant, "shard, id")
        await self.admin.execute(
            "TRUNCATE code.code, code.code_event, code.outbox CASCADE; DROP INDEX code.code_free"
        )
        await self.admin.execute(
            f"CREATE INDEX code_free ON code.code (tenant_id, type, pool, {order}) WHERE status = 'available'"
        )
        for name in (pool, "another"):
            await self.admin.execute(
                """INSERT INTO code.code (tenant_id, id, code, type, pool)
                   SELECT $1, code.event_id(n % 1000), $2 || '-' || n, 'discount', $2
                   FROM generate_series(1, $3::int) AS n""",
                self.tenant,
                name,
                count,
            )
        await self.admin.execute("VACUUM ANALYZE code.code")
        await self.admin.execute("CHECKPOINT")

    async def index_of(self, variant: str, pool: str) -> str:
        """The index that the statement walks, at the beginning."""
        values = {"$1": f"'{self.tenant}'", "$2": f"'{pool}'"}
        choice = _CHOICE.format(order=ORDERS[variant])
        for name, value in values.items():
            choice = choice.replace(name, value)
        plan = " ".join(row[0] for row in await self.admin.fetch(f"EXPLAIN {choice}"))
        return next((name for name in ("code_free", "code_pkey") if name in plan), plan)

    def ours(self, pool: str, *, alone: bool) -> Take:
        """As an HTTP request is served; `alone` by a statement of its own."""
        desk = AllocationDesk(self.db)

        async def take() -> UUID | None:
            wish = self._wish(pool)
            if alone:
                found = (await repository.allocate_each(self.db, [wish]))[0]
                return found.id if found and found.outcome == "given" else None
            taken = await desk.take(wish)
            return taken.id if taken else None

        return take

    def _wish(self, pool: str) -> Wish:
        return Wish(
            tenant_id=self.tenant,
            type="discount",
            pool=pool,
            count=1,
            status="used",
            recipient=None,
            reference=None,
            key=None,
            fingerprint="",
            reserved_until=None,
            partial=False,
            actor="bench",
            request_id=None,
            now=utc_now(),
        )

    async def run(self, variant: str, pool: str, most: int, seconds: float) -> Figures:
        """Callers in parallel, until `most` codes are out or the time is over."""
        figures = Figures()
        ends = time.perf_counter() + seconds

        async def repeat(take: Take) -> None:
            while len(figures.ids) < most and time.perf_counter() < ends:
                began = time.perf_counter()
                found = await take()
                if found is None:
                    return
                figures.add(found, began)

        async def plain() -> None:
            async with self.db.get_pool().acquire() as connection:
                # The plain statements see the tenant's rows as the service does.
                await connection.execute(f"SET app.tenant_id = '{self.tenant}'")
                await repeat(lambda: connection.fetchval(STATEMENTS[variant], self.tenant, pool))

        before = await self.processor()
        figures.began = time.perf_counter()
        if variant in STATEMENTS:
            await asyncio.gather(*(plain() for _ in range(self.connections)))
        else:
            take = self.ours(pool, alone=variant != "ours")
            await asyncio.gather(*(repeat(take) for _ in range(self.connections)))
        assert len(set(figures.ids)) == len(figures.ids), "a code went out twice"
        figures.cost = (await self.processor() - before) / len(figures.ids) * 1e6
        return figures

    async def processor(self) -> float:
        """Seconds of the processors so far: of this process, of Postgres and of its present sessions."""
        backend = psutil.Process(await self.admin.fetchval("SELECT pg_backend_pid()"))
        server = backend.parent() or backend
        times = [one.cpu_times() for one in (psutil.Process(), server, *server.children())]
        return sum(each.user + each.system for each in times)


async def compare(bench: Bench, title: str, sizes: dict[str, int], seconds: float) -> None:
    rates: dict[str, Figures] = {}
    walked: dict[str, str] = {}
    for variant, most in sizes.items():
        await bench.fill(variant, "hot", most)
        walked[variant] = await bench.index_of(variant, "hot") if variant in STATEMENTS else ""
        rates[variant] = await bench.run(variant, "hot", most, seconds)
    print(f"\n{title}")
    heads = {"codes": 9, "codes/s": 9, "p99 ms": 8, "CPU us": 8, "ours to it": 11, "last tenth to first": 21}
    print(" " * 18 + "".join(f"{head:>{width}}" for head, width in heads.items()))
    for variant, figures in rates.items():
        ratio, tenths = rates["ours"].rate / figures.rate, figures.tenths()
        print(
            f"{variant:<18}{len(figures.ids):>9,}{figures.rate:>9,.0f}{figures.p99:>8.1f}{figures.cost:>8.0f}"
            f"{ratio:>11.1f}"
            f"{tenths[-1] / tenths[0]:>21.2f}  {walked[variant]}"
        )
    print("ours by tenths:  " + " ".join(f"{rate:,.0f}" for rate in rates["ours"].tenths()))
    print("plain by tenths: " + " ".join(f"{rate:,.0f}" for rate in rates["plain"].tenths()))


async def main() -> None:
    options = arguments()
    async with fresh_database(await ensure_template()) as dsn:
        admin = await asyncpg.connect(dsn, server_settings={"search_path": "code"})
        db = runtime_database(dsn, "code", options.connections)
        await db.connect()
        bench = Bench(admin, db, options.connections)
        await introduce(admin, options.connections)
        sizes = dict.fromkeys(("ours", "plain", "plain, best plan"), options.codes)
        others = dict.fromkeys(("plain, whole", "ours, each alone"), options.peer)
        await compare(bench, "Quiet:", sizes | others, options.seconds)
        async with open_snapshot(dsn):
            title = "While another session keeps a snapshot open, as a backup or a long report does:"
            await compare(bench, title, sizes, options.seconds)
        await db.close()
        await admin.close()


async def introduce(admin: asyncpg.Connection, connections: int) -> None:
    names = ("server_version", "fsync", "synchronous_commit")
    server = ", ".join([f"{name} {await admin.fetchval(f'SHOW {name}')}" for name in names])
    cores = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"Machine: {cores}; Python {platform.python_version()}; {connections} callers and connections")
    print(f"Postgres: {server}")


@asynccontextmanager
async def open_snapshot(dsn: str) -> AsyncIterator[None]:
    """A session in the middle of a long report."""
    session = await asyncpg.connect(dsn)
    try:
        async with session.transaction(isolation="repeatable_read", readonly=True):
            # No table is locked by it.
            await session.fetchval("SELECT now()")
            yield
    finally:
        await session.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--codes", type=int, default=200_000)
    parser.add_argument("--peer", type=int, default=40_000, help="codes of the two lines for comparison")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=150, help="at most, for each line")
    return parser.parse_args()


if __name__ == "__main__":
    if not os.environ.get("TEST_POSTGRES_DSN"):
        os.environ["TEST_POSTGRES_DSN"] = PostgresServer(ROOT / ".tidings" / "bench" / "durable").start()
    uvloop.run(main())
