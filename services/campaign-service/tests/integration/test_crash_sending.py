"""The sending process is killed with -9 at several points: nobody is forgotten, every repeat is visible."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.simulators.processes import RunningSink, smtp_sink
from tests.simulators.smtp_sink import Fault
from tests.workers import free_port, until, worker

from .campaigns_kit import Kit

PEOPLE = 240
WINDOW, CONNECTIONS = 5, 4


@contextmanager
def sender(dsn: str, smtp_port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that sends over this mail server."""
    settings = {
        "SMTP_URL": f"smtp://127.0.0.1:{smtp_port}",
        "SEND_CONNECTIONS": str(CONNECTIONS),
        "SEND_WINDOW": str(WINDOW),
        "SEND_BATCH": "50",
        "SEND_LEASE_SECONDS": "3",
    }
    with worker(dsn, folder, **settings) as process:
        yield process


async def states(kit: Kit, campaign: UUID) -> Counter[str]:
    rows = await kit.fetch(
        """SELECT state, count(*) AS n FROM campaign_recipient
           WHERE tenant_id = $1 AND campaign_id = $2 GROUP BY state""",
        kit.tenant,
        campaign,
    )
    return Counter({row["state"]: row["n"] for row in rows})


async def repeats(kit: Kit, campaign: UUID) -> int:
    return sum(row["possible_repeats"] for row in await kit.recipients(campaign))


async def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.wait)


async def settled(kit: Kit, campaign: UUID) -> Counter[str]:
    """The states when the database has finished what the dead process had begun."""
    before: Counter[str] | None = None
    while await _at_work(kit) or before != (now := await states(kit, campaign)):
        before = await states(kit, campaign)
        await asyncio.sleep(0.3)
    return now


async def _at_work(kit: Kit) -> bool:
    rows = await kit.fetch(
        """SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND usename = current_user AND state <> 'idle'"""
    )
    return bool(rows)


async def finish(kit: Kit, campaign: UUID, dsn: str, folder: Path) -> list[dict[str, Any]]:
    """A new process and a healthy mail server; all mails that were ever taken."""
    with smtp_sink(folder) as sink, sender(dsn, sink.port, folder):

        async def done() -> bool:
            rows = await kit.fetch(
                "SELECT status FROM campaign WHERE tenant_id = $1 AND id = $2", kit.tenant, campaign
            )
            return bool(rows[0]["status"] == "sent")

        await until(done)
        return sink.messages()


async def assert_nothing_lost(
    kit: Kit, campaign: UUID, mails: list[dict[str, Any]], in_flight: int, taken_before: int
) -> None:
    rows = {row["email"]: row for row in await kit.recipients(campaign)}
    copies: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for mail in mails:
        copies[mail["recipient"]].append(mail)
    assert set(copies) == set(rows), "somebody got no mail"
    repeated = {address: mails for address, mails in copies.items() if len(mails) > 1}
    assert len(mails) - len(rows) <= in_flight
    assert taken_before + len(rows) >= len(mails)
    for address, several in repeated.items():
        assert len({mail["message_id"] for mail in several}) == 1
        numbers = [int(mail["repeat"] or 0) for mail in several]
        assert numbers == sorted(set(numbers)), "each later copy is marked, with a higher number"
        assert rows[address]["possible_repeats"] == numbers[-1] >= len(several) - 1
    assert await repeats(kit, campaign) == in_flight
    figures = await kit.counts(campaign)
    assert figures == {"sent": PEOPLE} | ({"repeats": in_flight} if in_flight else {})


@pytest.mark.parametrize("after", [1, 100, 160])
async def test_killed_in_the_middle_of_a_send(
    lone_kit: Kit, database_dsn: str, tmp_path: Path, after: int
) -> None:
    campaign = await lone_kit.started(PEOPLE)
    with smtp_sink(tmp_path, delay=0.01) as sink, sender(database_dsn, sink.port, tmp_path) as process:
        await until(lambda: _taken(sink, after))
        await kill(process)
        in_flight = (await settled(lone_kit, campaign))["attempting"]
        taken = len(sink.messages())
    assert in_flight <= 2 * WINDOW * CONNECTIONS
    mails = await finish(lone_kit, campaign, database_dsn, tmp_path)
    await assert_nothing_lost(lone_kit, campaign, mails, in_flight, taken)


async def _taken(sink: RunningSink, number: int) -> bool:
    return len(sink.messages()) >= number


async def test_killed_before_it_claimed_anybody(lone_kit: Kit, database_dsn: str, tmp_path: Path) -> None:
    with smtp_sink(tmp_path) as sink, sender(database_dsn, sink.port, tmp_path) as process:
        campaign = await lone_kit.started(PEOPLE)
        await kill(process)
        in_flight = (await settled(lone_kit, campaign))["attempting"]
        taken = len(sink.messages())
    mails = await finish(lone_kit, campaign, database_dsn, tmp_path)
    await assert_nothing_lost(lone_kit, campaign, mails, in_flight, taken)


async def test_killed_with_leases_but_nothing_begun(lone_kit: Kit, database_dsn: str, tmp_path: Path) -> None:
    campaign = await lone_kit.started(PEOPLE)

    async def leased() -> bool:
        return (await states(lone_kit, campaign))["leased"] > 0

    with sender(database_dsn, free_port(), tmp_path) as process:
        await until(leased)
        await kill(process)
    assert (await settled(lone_kit, campaign))["attempting"] == 0
    mails = await finish(lone_kit, campaign, database_dsn, tmp_path)
    await assert_nothing_lost(lone_kit, campaign, mails, 0, 0)


@pytest.mark.parametrize(
    ("fault", "arrived"),
    [
        (Fault("", "data", "stall"), False),
        (Fault("", "content", "stall"), False),
        (Fault("", "content", "take_and_stall"), True),
    ],
    ids=["before-the-content", "after-the-dot-not-taken", "after-the-dot-taken"],
)
async def test_killed_while_the_server_holds_its_answer(
    lone_kit: Kit, database_dsn: str, tmp_path: Path, fault: Fault, arrived: bool
) -> None:
    campaign = await lone_kit.started(PEOPLE)

    async def all_lanes_wait() -> bool:
        in_flight = (await states(lone_kit, campaign))["attempting"] == WINDOW * CONNECTIONS
        return in_flight and (len(sink.messages()) == CONNECTIONS or not arrived)

    with smtp_sink(tmp_path, fault) as sink, sender(database_dsn, sink.port, tmp_path) as process:
        await until(all_lanes_wait)
        await kill(process)
        taken = len(sink.messages())
    assert taken == (CONNECTIONS if arrived else 0)
    mails = await finish(lone_kit, campaign, database_dsn, tmp_path)
    assert len(mails) == PEOPLE + taken
    await assert_nothing_lost(lone_kit, campaign, mails, WINDOW * CONNECTIONS, taken)


async def test_killed_twice_in_one_send(lone_kit: Kit, database_dsn: str, tmp_path: Path) -> None:
    campaign = await lone_kit.started(PEOPLE)
    with smtp_sink(tmp_path, delay=0.01) as sink:
        for target in (60, 140):
            with sender(database_dsn, sink.port, tmp_path) as process:
                await until(lambda target=target: _taken(sink, target))  # type: ignore[misc]
                await kill(process)
            # the first one's mails may still be leased when the second dies: they count once
            attempting = (await settled(lone_kit, campaign))["attempting"]
        in_flight = attempting + await repeats(lone_kit, campaign)
        taken = len(sink.messages())
    mails = await finish(lone_kit, campaign, database_dsn, tmp_path)
    await assert_nothing_lost(lone_kit, campaign, mails, in_flight, taken)
