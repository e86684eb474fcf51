"""How fast figures are read at a million contacts, beside counting the rows they are made of.

    python3 bench/stats.py [--contacts 1000000] [--rounds 40]

SQL makes contacts with 20 tags (the n-th on one contact in n + 2), two campaigns that went to all of them,
one of them in two variants, an event for every mail (a twentieth of them people's clicks), and a tenth as
many suppressions and webhook rows that fitted no mail. The figures are then counted once by what
`python -m campaign_service stats-rebuild` does.
"figures" is what an endpoint does in a transaction of its own, by the service's own functions; "counted" is,
in the same run, SQL by hand over the rows themselves, which must come to the same. A Postgres with the
settings of production is started for the run; TEST_POSTGRES_DSN names another one. The target is 50 ms.
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
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from bench.http_load import machine
from bench.send import postgres
from campaign_service.ab import repository as variants
from campaign_service.campaigns.recipients import repository as recipients
from campaign_service.campaigns.recipients import service as progress
from campaign_service.stats import repository, service
from campaign_service.stats.rollups.command import rebuild
from campaign_service.tags import repository as tags
from shared.database import SimpleDatabase, Tx
from shared.testing.databases import ensure_template, fresh_database, runtime_database
from shared.utils import utc_now, uuid7

TARGET = 50.0
COUNTED_ROUNDS = 3
FIRST, SECOND = UUID(int=1), UUID(int=2)
_ID = "lpad(to_hex({}), 32, '0')::uuid"
_CONTACT = _ID.format("n")
_FILL = {
    "contact": f"""INSERT INTO contact (tenant_id, id, email, status, validation_status, language)
        SELECT $1, {_CONTACT}, 'p' || n || '@example.com',
               (ARRAY['valid', 'valid', 'valid', 'pending', 'unsubscribed'])[1 + n % 5],
               (ARRAY['valid', 'risky', 'unknown'])[1 + n % 3], (ARRAY['en', 'fr', 'de', 'nl'])[1 + n % 4]
        FROM generate_series(1, $2::int) AS n""",
    "tag": f"""INSERT INTO tag (tenant_id, id, slug, name)
        SELECT $1, {_CONTACT}, 't' || n, 't' || n FROM generate_series(1, least(20, $2::int)) AS n""",
    "contact_tag": f"""INSERT INTO contact_tag (tenant_id, tag_id, contact_id)
        SELECT $1, {_ID.format("t")}, {_CONTACT}
        FROM generate_series(1, 20) AS t, generate_series(1, $2::int) AS n
        WHERE hashint8extended(n, t) % (t + 2) = 0""",
    "campaign": f"""INSERT INTO campaign
          (tenant_id, id, name, template_id, status, started_at, recipient_count)
        SELECT $1, {_CONTACT}, 'c' || n, gen_random_uuid(), 'sending', now(), $2::int
        FROM generate_series(1, 2) AS n""",
    "campaign_link": f"""INSERT INTO campaign_link (tenant_id, campaign_id, link_index, url)
        SELECT $1, {_CONTACT}, l, 'https://shop.example.com/' || l
        FROM generate_series(1, least(2, $2::int)) AS n, generate_series(0, 3) AS l""",
    "campaign_recipient": f"""INSERT INTO campaign_recipient
          (tenant_id, campaign_id, contact_id, email, language, variant, state, accepted_at, first_opened_at)
        SELECT $1, {_ID.format("c")}, {_CONTACT}, 'p' || n || '@example.com', 'en', (c - 1) * (1 + n % 2),
               (ARRAY['delivered', 'delivered', 'accepted', 'queued'])[1 + n % 4],
               CASE WHEN n % 4 < 3 THEN now() - interval '1 hour' END,
               CASE WHEN n % 4 = 0 THEN now() END
        FROM generate_series(1, 2) AS c, generate_series(1, $2::int) AS n""",
    "message_event": f"""INSERT INTO message_event
          (tenant_id, id, campaign_id, contact_id, type, occurred_at, verdict, link_index, dedupe_key)
        SELECT $1, gen_random_uuid(), {_ID.format("c")}, {_CONTACT},
               CASE WHEN n % 20 = 0 THEN 'clicked' WHEN n % 2 = 0 THEN 'opened' ELSE 'delivered' END, now(),
               CASE WHEN n % 2 = 0 THEN 'human' END, CASE WHEN n % 20 = 0 THEN n / 20 % 4 END,
               int8send(n * 2 + c)
        FROM generate_series(1, 2) AS c, generate_series(1, $2::bigint) AS n""",
    "campaign_stats": f"""INSERT INTO campaign_stats (tenant_id, campaign_id, day, sent, delivered)
        SELECT $1, {_ID.format("c")}, current_date - d, 100, least(90, $2::int)
        FROM generate_series(1, 2) AS c, generate_series(0, 29) AS d""",
    "suppression": """INSERT INTO suppression (tenant_id, id, address_lower, reason, expires_at)
        SELECT $1, gen_random_uuid(), 'p' || n || '@example.com', 'soft_bounces',
               CASE WHEN n % 2 = 0 THEN now() + n % 60 * interval '1 day' END
        FROM generate_series(1, $2::int / 10) AS n""",
    "delivery_issue": """INSERT INTO delivery_issue
          (tenant_id, id, source, kind, reason, raw, dedupe_key)
        SELECT $1, gen_random_uuid(), 'powermta', 'unmatched', 'no_such_mail', '', int8send(n)
        FROM generate_series(1, $2::bigint / 10) AS n""",
}
_CONTACTS = """SELECT status, validation_status, language, count(*) AS n FROM contact WHERE tenant_id = $1
    GROUP BY status, validation_status, language"""
_ISSUES = """SELECT source, kind, reason, count(*) AS count FROM delivery_issue WHERE tenant_id = $1
    GROUP BY source, kind, reason ORDER BY source, kind, reason"""
_SUPPRESSED = """SELECT count(*) AS n FROM suppression
    WHERE tenant_id = $1 AND (expires_at IS NULL OR expires_at > now())"""
_TAGS = "SELECT tag_id, count(*) AS n FROM contact_tag WHERE tenant_id = $1 GROUP BY tag_id"
_STATES = f"""SELECT state, count(*) AS n FROM campaign_recipient
    WHERE tenant_id = $1 AND campaign_id = '{FIRST}' GROUP BY state"""
_VARIANTS = f"""SELECT variant, count(*) AS recipients, count(accepted_at) AS sent,
      count(bounced_at) AS bounced, count(first_opened_at) AS opens, count(first_clicked_at) AS clicks,
      count(unsubscribed_at) AS unsubscribed
    FROM campaign_recipient WHERE tenant_id = $1 AND campaign_id = '{SECOND}' GROUP BY variant"""
_LINKS = f"""SELECT link_index, count(DISTINCT contact_id) AS n FROM message_event
    WHERE tenant_id = $1 AND campaign_id = '{FIRST}' AND type = 'clicked' AND verdict || '' = 'human'
    GROUP BY link_index"""
Rows = list[Any]


async def fill(dsn: str, tenant: UUID, contacts: int) -> float:
    """Make everything, its figures not counted yet; seconds."""
    admin = await asyncpg.connect(dsn, server_settings={"search_path": "campaign"})
    began = time.perf_counter()
    try:
        # Neither foreign keys row by row, nor figures: those are counted anew afterwards.
        await admin.execute("SET session_replication_role = replica")
        for table, sql in _FILL.items():
            await admin.execute(sql, tenant, contacts)
            await admin.execute(f"VACUUM ANALYZE {table}")
    finally:
        await admin.close()
    return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Asked:
    """What an endpoint does, the rows' own count, and how to tell the one in the other's words."""

    name: str
    figures: Callable[[Tx, UUID], Awaitable[Any]]
    counted: tuple[str, ...]
    same: Callable[[Any, list[Rows]], bool]


async def _progress(tx: Tx, tenant: UUID) -> Any:
    campaign = {"tenant_id": tenant, "id": FIRST, "status": "sending", "started_at": None}
    return await progress.progress(tx, campaign | {"completed_at": None}, utc_now())


async def _performance(tx: Tx, tenant: UUID) -> Any:
    return await service.performance(tx, tenant, 30, utc_now())


async def _campaigns(tx: Tx, tenant: UUID) -> Any:
    rows = await repository.per_campaign(tx, tenant, None, 50)
    return await service.campaigns(tx, tenant, [service.campaign_figures(row) for row in rows])


async def _variants(tx: Tx, tenant: UUID) -> Any:
    return await variants.figures(tx, tenant, SECOND), await variants.held(tx, tenant, SECOND)


async def _links(tx: Tx, tenant: UUID) -> Any:
    return await recipients.link_clicks(tx, tenant, FIRST)


async def _tags(tx: Tx, tenant: UUID) -> Any:
    return await tags.page(tx, tenant, None, None, 50)


def _by(rows: Rows, *keys: str) -> dict[Any, int]:
    return {tuple(row[key] for key in keys): row["n"] for row in rows}


ASKED = (
    Asked("contacts", service.contacts, (_CONTACTS,), lambda a, b: a.total == sum(r["n"] for r in b[0])),
    Asked(
        "overview",
        service.overview,
        (_CONTACTS, _ISSUES, _SUPPRESSED),
        lambda a, b: (a.contacts.total, a.suppressions) == (sum(r["n"] for r in b[0]), b[2][0]["n"]),
    ),
    Asked(
        "events",
        service.events,
        (_ISSUES,),
        lambda a, b: [i.count for i in a.not_applied] == [r["count"] for r in b[0]],
    ),
    Asked("campaigns", _campaigns, (), lambda a, _: a.total == 2),
    Asked("performance", _performance, (), lambda a, _: len(a.per_day) == 30),
    Asked(
        "tags",
        _tags,
        (_TAGS,),
        lambda a, b: {(t["id"],): t["contact_count"] for t in a} == _by(b[0], "tag_id"),
    ),
    Asked("progress", _progress, (_STATES,), lambda a, b: a.states == {r["state"]: r["n"] for r in b[0]}),
    Asked("variants", _variants, (_VARIANTS,), lambda a, b: a[0] == {r["variant"]: dict(r) for r in b[0]}),
    Asked(
        "links",
        _links,
        (_LINKS,),
        lambda a, b: {(r["link_index"],): r["unique_clicks"] for r in a} == _by(b[0], "link_index"),
    ),
)


def _p99(times: list[float]) -> float:
    return sorted(times)[min(len(times) - 1, round(len(times) * 0.99))]


async def ask(db: SimpleDatabase, bare: Any, tenant: UUID, asked: Asked, rounds: int) -> bool:
    """Time one endpoint and print it; whether the target is met."""
    times, slow = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        async with db.tenant_tx(tenant, read_only=True) as tx:
            found = await asked.figures(tx, tenant)
        times.append((time.perf_counter() - began) * 1000)
    counted: list[Rows] = []
    for _ in range(COUNTED_ROUNDS if asked.counted else 0):
        began = time.perf_counter()
        counted = [await bare.fetch(sql, tenant) for sql in asked.counted]
        slow.append((time.perf_counter() - began) * 1000)
    if not asked.same(found, counted):
        raise SystemExit(f"{asked.name}: figures and rows do not agree")
    mine = statistics.median(times)
    line = f"{asked.name:<12} figures {mine:7.2f} ms (p99 {_p99(times):.2f})"
    if slow:
        line += f"   counted {statistics.median(slow):8.1f} ms   ratio {statistics.median(slow) / mine:6.0f}"
    print(f"{line}{'' if mine < TARGET else f'   target {TARGET:.0f} ms MISSED'}")
    return mine < TARGET


async def measure(contacts: int, rounds: int) -> bool:
    async with fresh_database(await ensure_template()) as dsn:
        tenant = uuid7()
        made = await fill(dsn, tenant, contacts)
        db = runtime_database(dsn, "campaign")
        await db.connect()
        bare = await asyncpg.connect(dsn, server_settings={"search_path": "campaign"})
        try:
            began = time.perf_counter()
            await rebuild(db)
            took = time.perf_counter() - began
            print(f"{contacts:,} contacts, {2 * contacts:,} recipients and events, made in {made:.0f} s")
            print(f"stats-rebuild took {took:.1f} s")
            met = [await ask(db, bare, tenant, asked, rounds) for asked in ASKED]
        finally:
            await bare.close()
            await db.close()
    return all(met)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    print(machine())
    with postgres():
        return 0 if uvloop.run(measure(options.contacts, options.rounds)) else 1


if __name__ == "__main__":
    sys.exit(main())
