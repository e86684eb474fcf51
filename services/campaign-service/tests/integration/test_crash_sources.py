"""The process that reads a source is killed with -9: nothing is lost, nothing read a second time."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.simulators.sources import SourceServer, people, running
from tests.workers import until, worker

from .campaigns_kit import Kit
from .sources_kit import Sources, counts


@contextmanager
def reader(dsn: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that is soon believed dead."""
    with worker(dsn, folder, JOB_LEASE_SECONDS="2", PROVIDER_PRIVATE_HOSTS='["127.0.0.1"]') as process:
        yield process


async def test_a_sync_killed_at_any_page_goes_on_with_it(
    lone_kit: Kit, database_dsn: str, tmp_path: Path
) -> None:
    sources = Sources(lone_kit.client, lone_kit.tenant, lone_kit.headers())
    doomed: list[subprocess.Popen[bytes]] = []
    died = asyncio.Event()

    def kill_at_third(page: int) -> None:
        if page == 3:
            doomed[0].send_signal(signal.SIGKILL)
            died.set()

    server = SourceServer(records=people(700), before_page=kill_at_third)
    async with running(server):
        source_id = await sources.of(server)
        started = await sources.request("POST", f"/{source_id}/sync")
        assert started.status_code == 202
        with reader(database_dsn, tmp_path) as process:
            doomed.append(process)
            await died.wait()
        before = await sources.get(source_id)
        assert before["last_sync"]["status"] == "running"
        assert before["contact_count"] == before["last_sync"]["total"] == int(before["cursor"]) == 200
        with reader(database_dsn, tmp_path):

            async def ended() -> bool:
                return bool((await sources.get(source_id))["last_sync"]["status"] == "completed")

            await until(ended)
    report = (await sources.get(source_id))["last_sync"]
    assert (report["status"], counts(report)) == ("completed", {"total": 700, "created": 700})
    # The page that was being answered is asked for again, and no other.
    assert server.cursors == ["", "100", "200", "200", "300", "400", "500", "600"]
    assert (await sources.get(source_id))["contact_count"] == 700
