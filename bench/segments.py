"""How fast a segment by tags is counted and paged, beside the bare queries.

    python3 bench/segments.py [--contacts 1000000] [--tags 20] [--rounds 15]

Contacts are made by SQL; the n-th tag is on one contact in n + 2, by a hash. The segment asks for two tags,
one of three others, and not for a sixth. "segment" is what the service does in a transaction of its own:
read the definition, find the tags, count, or find the first page of 50 and read its contacts. "bare" is, in
the same run and by turns with it, SQL by hand over the tags' own table: what the answer costs without
contacts, rules or tenants' policies. Each figure is a median. A Postgres with the settings of production is
started for the run; TEST_POSTGRES_DSN names another one. The target is 200 ms for each, on 2 cores.
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
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from bench.http_load import machine
from bench.send import postgres
from campaign_service.segments import service
from campaign_service.segments.query import repository as query
from campaign_service.segments.schemas import PreviewIn
from shared.database import SimpleDatabase
from shared.testing.databases import ensure_template, fresh_database, runtime_database
from shared.utils import utc_now, uuid7

TARGET = 200.0
PAGE = 50
RULE = {"tags_all": ["t3", "t5"], "tags_any": ["t7", "t9", "t11"], "exclude_tags": ["t13"]}
_CONTACTS = """INSERT INTO contact (tenant_id, id, email)
    SELECT $1, lpad(to_hex(n), 32, '0')::uuid, 'p' || n || '@example.com'
    FROM generate_series(1, $2::int) AS n"""
_TAGS = """INSERT INTO tag (tenant_id, id, slug, name)
    SELECT $1, lpad(to_hex(n), 32, '0')::uuid, 't' || n, 't' || n FROM generate_series(1, $2::int) AS n"""
_TAGGED = """INSERT INTO contact_tag (tenant_id, tag_id, contact_id)
    SELECT $1, lpad(to_hex(t), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid
    FROM generate_series(1, $3::int) AS t, generate_series(1, $2::int) AS n
    WHERE hashint8extended(n, t) % (t + 2) = 0"""
_BARE = """FROM contact_tag a
    WHERE a.tenant_id = $1 AND a.tag_id = $2
      AND EXISTS (SELECT 1 FROM contact_tag b
                  WHERE b.tenant_id = $1 AND b.contact_id = a.contact_id AND b.tag_id = $3)
      AND EXISTS (SELECT 1 FROM contact_tag b
                  WHERE b.tenant_id = $1 AND b.contact_id = a.contact_id AND b.tag_id = ANY($4::uuid[]))
      AND NOT EXISTS (SELECT 1 FROM contact_tag b
                      WHERE b.tenant_id = $1 AND b.contact_id = a.contact_id AND b.tag_id = $5)"""


async def fill(dsn: str, tenant: UUID, contacts: int, tags: int) -> float:
    """Make everything; seconds."""
    admin = await asyncpg.connect(dsn, server_settings={"search_path": "campaign"})
    began = time.perf_counter()
    try:
        # Else a million foreign keys are looked up one by one.
        await admin.execute("SET session_replication_role = replica")
        await admin.execute(_CONTACTS, tenant, contacts)
        await admin.execute(_TAGS, tenant, tags)
        await admin.execute(_TAGGED, tenant, contacts, tags)
        for table in ("contact", "contact_tag", "tag"):
            await admin.execute(f"VACUUM ANALYZE {table}")
    finally:
        await admin.close()
    return time.perf_counter() - began


def tag_ids(slugs: list[str]) -> list[UUID]:
    return [UUID(int=int(slug[1:])) for slug in slugs]


class Asked:
    """The four things that are timed."""

    def __init__(self, db: SimpleDatabase, bare: Any, tenant: UUID) -> None:
        self._db = db
        self._bare = bare
        self._tenant = tenant
        both = tag_ids(RULE["tags_all"])
        self._params = [tenant, *both, tag_ids(RULE["tags_any"]), *tag_ids(RULE["exclude_tags"])]

    async def count(self) -> int:
        definition = PreviewIn.model_validate({"definition": RULE}).definition
        async with self._db.tenant_tx(self._tenant, read_only=True) as tx:
            return await query.count(tx, await service.compile_rule(tx, self._tenant, definition, utc_now()))

    async def page(self) -> list[UUID]:
        definition = PreviewIn.model_validate({"definition": RULE}).definition
        async with self._db.tenant_tx(self._tenant, read_only=True) as tx:
            compiled = await service.compile_rule(tx, self._tenant, definition, utc_now())
            return [row["id"] for row in await service.members(tx, self._tenant, compiled, None, PAGE)]

    async def bare_count(self) -> int:
        return int(await self._bare.fetchval(f"SELECT count(*) {_BARE}", *self._params))

    async def bare_page(self) -> list[UUID]:
        rows = await self._bare.fetch(
            f"SELECT a.contact_id {_BARE} ORDER BY a.contact_id LIMIT {PAGE}", *self._params
        )
        return [row["contact_id"] for row in rows]


async def compare(
    name: str, ours: Callable[[], Awaitable[Any]], bare: Callable[[], Awaitable[Any]], rounds: int
) -> bool:
    """Time both by turns and print them; whether the target is met."""
    if await ours() != await bare():
        raise SystemExit(f"{name}: the segment and the bare query do not agree")
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(rounds):
        for which, ask in (("ours", ours), ("bare", bare)):
            began = time.perf_counter()
            await ask()
            times[which].append((time.perf_counter() - began) * 1000)
    mine, other = statistics.median(times["ours"]), statistics.median(times["bare"])
    slowest = max(times["ours"])
    print(
        f"{name:<12} segment {mine:7.1f} ms (slowest {slowest:.1f})   bare {other:7.1f} ms"
        f"   ratio {mine / other:.2f}   target {TARGET:.0f} ms: {'met' if mine < TARGET else 'MISSED'}"
    )
    return mine < TARGET


async def measure(contacts: int, tags: int, rounds: int) -> bool:
    async with fresh_database(await ensure_template()) as dsn:
        tenant = uuid7()
        seconds = await fill(dsn, tenant, contacts, tags)
        db = runtime_database(dsn, "campaign")
        await db.connect()
        bare = await asyncpg.connect(dsn, server_settings={"search_path": "campaign"})
        try:
            asked = Asked(db, bare, tenant)
            print(
                f"{contacts:,} contacts, {tags} tags, made in {seconds:.0f} s; {await asked.count():,} chosen"
            )
            counted = await compare("count", asked.count, asked.bare_count, rounds)
            paged = await compare("first page", asked.page, asked.bare_page, rounds)
        finally:
            await bare.close()
            await db.close()
    return counted and paged


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--tags", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print(machine())
    with postgres():
        return 0 if uvloop.run(measure(options.contacts, options.tags, options.rounds)) else 1


if __name__ == "__main__":
    sys.exit(main())
