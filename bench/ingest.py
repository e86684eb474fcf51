"""How many webhooks a second the gateway takes in, beside the least that could be done for one.

    python3 bench/ingest.py [--seconds 5] [--rounds 3] [--connections 32]

Each request is a new webhook of 1 KB. The gateway checks the token, reads the JSON, recognises repeats,
writes history and outbox in one statement and answers after its commit; the relay takes the events out
meanwhile. The peer is a bare FastAPI route that inserts the body into a table with asyncpg and answers: no
token, no check, no event. Same database, same settings, same connections, in turn. The target is a ratio of
0.6 or more.
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

from pydantic import SecretStr

from bench.http_load import Target, free_port, heading, options, peak_memory, rounds, server, table
from deploy.local import testservers
from shared.config import DatabaseConfig
from shared.database import SimpleDatabase
from shared.database.roles import runtime_dsn
from shared.testing import fresh_database, runtime_database
from shared.testing.databases import ROLE_SECRET, ensure_template
from shared.utils.ids import uuid7
from webhook_gateway.sources.schemas import SourceIn
from webhook_gateway.sources.service import SourceService

TARGET_RATIO = 0.6
CONNECTIONS = 10
SECRET = "the secret of the benchmark alone"
BODY = '{"event_id": "@@", "type": "order.created", "text": "' + "x" * 940 + '"}'
_BARE = """
import os, sys, uuid, asyncpg, uvicorn
from contextlib import asynccontextmanager
from fastapi import FastAPI, Request

@asynccontextmanager
async def lifespan(app):
    app.state.pool = await asyncpg.create_pool(os.environ["BARE_URL"], max_size=int(os.environ["BARE_SIZE"]))
    yield
    await app.state.pool.close()

app = FastAPI(lifespan=lifespan)

@app.get("/ready")
async def ready():
    return {"ready": True}

@app.post("/hook")
async def hook(request: Request):
    body = await request.body()
    key = uuid.uuid4()
    await request.app.state.pool.execute("INSERT INTO bare_hook (id, body) VALUES ($1, $2)", key, body)
    return {"success": True, "data": {"id": key}}

uvicorn.run(app, port=int(sys.argv[1]), http="httptools", ws="none", log_config=None, access_log=False)
"""


async def make_source(dsn: str) -> str:
    """A generic source; its token."""
    db = runtime_database(dsn, "gateway")
    await db.connect()
    tenant = uuid7()
    async with db.tenant_tx(tenant) as tx:
        created = await SourceService(SECRET, "http://localhost").create(
            tx, tenant, SourceIn(name="bench", type="generic")
        )
    await db.close()
    return created.token


async def make_bare_table(dsn: str) -> None:
    admin = SimpleDatabase(DatabaseConfig(url=SecretStr(dsn)))
    await admin.connect()
    await admin.query(
        "CREATE TABLE bare_hook"
        " (id uuid PRIMARY KEY, body bytea NOT NULL, received_at timestamptz NOT NULL DEFAULT now())"
    )
    await admin.close()


async def stored(dsn: str) -> tuple[int, str]:
    """Webhooks in the history over all tenants, and the server's settings in a line."""
    db = runtime_database(dsn, "gateway")
    await db.connect()
    async with db.system_tx() as tx:
        count = await tx.fetchval("SELECT count(*) FROM webhook_event")
        settings = await tx.fetchrow(
            "SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync,"
            " current_setting('synchronous_commit') AS commit"
        )
    await db.close()
    assert settings is not None
    line = (
        f"Postgres {settings['version']}, fsync {settings['fsync']}, synchronous_commit {settings['commit']}"
    )
    return int(count), line


def measure(arguments: argparse.Namespace, dsn: str, token: str) -> tuple[float, int]:
    """The ratio to the peer, and how many webhooks were answered with success."""
    port, bare_port = free_port(), free_port()
    gateway = server(
        [sys.executable, "-m", "webhook_gateway"],
        {
            "DATABASE_URL": runtime_dsn(dsn, "gateway", ROLE_SECRET),
            "DB_MAX_CONNECTIONS": str(CONNECTIONS),
            "EVENTS_URL": "postgres://",
            "PORT": str(port),
            "JWT_SECRET": SECRET,
            "LOG_LEVEL": "info",
        },
        f"http://127.0.0.1:{port}/ready",
    )
    bare = server(
        [sys.executable, "-c", _BARE, str(bare_port)],
        {"BARE_URL": dsn, "BARE_SIZE": str(CONNECTIONS)},
        f"http://127.0.0.1:{bare_port}/ready",
    )
    json_headers = (("Content-Type", "application/json"),)
    with_token = (*json_headers, ("X-Webhook-Token", token))
    with gateway as process, bare as bare_process:
        targets = [
            (Target("bare FastAPI insert", bare_port, "/hook", "POST", json_headers, BODY), bare_process),
            (Target("gateway", port, "/api/v2/webhooks/generic", "POST", with_token, BODY), process),
        ]
        results = rounds(
            targets, count=arguments.rounds, connections=arguments.connections, seconds=arguments.seconds
        )
        table(results, ["bare FastAPI insert"])
        print(f"\nPeak memory of the gateway: {peak_memory(process):.0f} MiB")
    ours = results["gateway"]
    return ours.rate / results["bare FastAPI insert"].rate, ours.requests - ours.failures


async def main_database(arguments: argparse.Namespace) -> int:
    async with fresh_database(await ensure_template()) as dsn:
        token = await make_source(dsn)
        await make_bare_table(dsn)
        ratio, answered = await asyncio.to_thread(measure, arguments, dsn, token)
        count, settings = await stored(dsn)
    print(f"{settings}, {CONNECTIONS} connections each")
    print(f"Answered with success in the measured rounds: {answered:,}; stored, warm-up included: {count:,}")
    lost = count < answered
    print(f"Ratio {ratio:.2f}, target {TARGET_RATIO}: {'reached' if ratio >= TARGET_RATIO else 'MISSED'}")
    return int(lost or ratio < TARGET_RATIO)


def main() -> int:
    given = options(__doc__)
    if not os.environ.get("TEST_POSTGRES_DSN"):
        os.environ.update(testservers.start(ROOT / ".tidings" / "bench"))
    servers = "both servers 1 process, uvicorn (httptools, uvloop)"
    print(heading(given, servers))
    return asyncio.run(main_database(given))


if __name__ == "__main__":
    sys.exit(main())
