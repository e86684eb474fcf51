"""The processes that do the day are killed with -9 and start again: each client is served and mailed once."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shared.database.roles import runtime_dsn
from shared.events import Consumer, EventBus, MessageContext
from shared.testing.databases import ROLE_SECRET
from shared.testing.plugin import OpenDatabase

from .reports_kit import Agency

CLIENTS = 60
DAY = "2027-03-15"


def environment(agency: Agency, folder: Path) -> dict[str, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return os.environ | {
        "PYTHON_ENV": "test",
        "LOG_LEVEL": "error",
        "DATABASE_URL": runtime_dsn(agency.dsn, "property", ROLE_SECRET),
        "EVENTS_URL": "postgres://",
        "JWT_SECRET": "a secret of the tests",
        "CAMPAIGN_SERVICE_URL": "http://127.0.0.1:9",
        "DATA_DIR": str(folder),
        "PORT": str(port),
        "JOB_LEASE_SECONDS": "2",
    }


@contextmanager
def process(agency: Agency, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m property_service …`, as it runs in production."""
    command = [sys.executable, "-m", "property_service", *arguments]
    running = subprocess.Popen(command, env=environment(agency, folder), stdout=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


async def count(agency: Agency, sql: str) -> int:
    rows = await agency.db.query(sql, tenant_id=agency.tenant)
    return int(rows[0]["number"])


async def kill_when(agency: Agency, running: subprocess.Popen[bytes], sql: str, least: int) -> int:
    """SIGKILL once a count has come so far; the count then."""
    while running.poll() is None and await count(agency, sql) < least:  # noqa: ASYNC110  # of another process
        await asyncio.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    await asyncio.to_thread(running.wait)
    return await count(agency, sql)


@asynccontextmanager
async def mailbox(open_database: OpenDatabase) -> AsyncIterator[list[dict[str, Any]]]:
    """What campaign-service would be asked to send."""
    asked: list[dict[str, Any]] = []

    async def note(context: MessageContext) -> None:
        asked.append(context.event.data)

    bus = EventBus(await open_database("campaign"), service="campaign-service", poll=0.05)
    bus.bind(None, [Consumer("message-requests", ("message.requested.v1",), note)])
    await bus.start()
    try:
        yield asked
    finally:
        await bus.stop()


def keys(asked: list[dict[str, Any]], template: str) -> Counter[str]:
    return Counter(mail["idempotency_key"] for mail in asked if mail["template"] == f"property.{template}")


@pytest.fixture
async def crowd(agency: Agency) -> Agency:
    """Half of the clients are served on the day, half are announced."""
    # Processes of their own go by the real time.
    agency.clock.advance((datetime.now(UTC) - agency.clock.now()).total_seconds())
    await agency.sell(40)
    for number in range(CLIENTS):
        await agency.client(15 + number % 2, addresses_per_report=2)
    async with agency.db.tenant_tx(agency.tenant) as tx:
        await tx.execute("DELETE FROM outbox WHERE tenant_id = $1", agency.tenant)
    return agency


TURNS = "SELECT count(*) AS number FROM client_turn"
RUNS = "SELECT count(*) AS number FROM client_run"
#: Held by the test, so that a process stops in the middle: the turn of one client, or ten clients themselves.
IN_THE_DAY = """INSERT INTO property.client_turn (tenant_id, client_id, period, kind, due_on, created_at)
    SELECT tenant_id, id, '2027-03-01', 'report', '2027-03-15', now() FROM property.client
    WHERE tenant_id = $1 AND send_day = 15 ORDER BY id OFFSET 10 LIMIT 1"""
IN_THE_REPORTS = """SELECT id FROM property.client WHERE tenant_id = $1 AND send_day = 15
    ORDER BY id DESC LIMIT 10 FOR UPDATE"""


@asynccontextmanager
async def held(agency: Agency, sql: str) -> AsyncIterator[None]:
    connection = await asyncpg.connect(agency.dsn)
    change = connection.transaction()
    await change.start()
    try:
        await connection.execute(sql, agency.tenant)
        yield
    finally:
        await change.rollback()
        await connection.close()


async def test_a_command_that_is_killed_goes_on_where_it_was(crowd: Agency, tmp_path: Path) -> None:
    async with held(crowd, IN_THE_DAY):
        with process(crowd, tmp_path, "daily", "--date", DAY) as running:
            assert await kill_when(crowd, running, TURNS, CLIENTS // 2 + 10) == CLIENTS // 2 + 10
    with process(crowd, tmp_path, "daily", "--date", DAY) as running:
        assert await asyncio.to_thread(running.wait) == 0
    assert await count(crowd, TURNS) == CLIENTS
    assert await count(crowd, "SELECT count(*) AS number FROM job") == CLIENTS // 2


async def test_a_service_that_is_killed_serves_and_mails_everybody_once(
    crowd: Agency, tmp_path: Path, open_database: OpenDatabase
) -> None:
    async with mailbox(open_database) as asked:
        await crowd.data("POST", f"/api/run-daily?date={DAY}")
        async with held(crowd, IN_THE_DAY):
            with process(crowd, tmp_path, "--role", "worker") as running:
                await kill_when(crowd, running, TURNS, CLIENTS // 2 + 10)
        async with held(crowd, IN_THE_REPORTS):
            with process(crowd, tmp_path, "--role", "worker") as running:
                assert await kill_when(crowd, running, RUNS, 12) < CLIENTS // 2
        with process(crowd, tmp_path, "--role", "worker"):
            while await count(crowd, RUNS) < CLIENTS // 2 or len(asked) < CLIENTS:  # noqa: ASYNC110  # likewise
                await asyncio.sleep(0.05)
    assert Counter(keys(asked, "monthly_notice").values()) == {1: CLIENTS // 2}
    assert Counter(keys(asked, "client_notification").values()) == {1: CLIENTS // 2}
    served = await crowd.db.query(
        "SELECT client_id, count(*) AS number FROM assignment GROUP BY client_id", tenant_id=crowd.tenant
    )
    assert Counter(row["number"] for row in served) == {2: CLIENTS // 2}
