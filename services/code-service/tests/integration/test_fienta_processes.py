"""Nothing of a browser outlives the work it was started for."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from code_service.fienta import processes
from code_service.fienta.chromium import open_page
from code_service.fienta.port import FientaNotConfigured, FientaUnavailable
from tests.simulators.fienta import Site, running

from .fienta_kit import CHROMIUM, Stage, browsers_of, folders_of

pytestmark = pytest.mark.chromium
_OWNER = """
import asyncio, sys
from code_service.fienta.chromium import open_page

async def main():
    async with open_page(sys.argv[1]):
        print("open", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_cancelled_worker_leaves_no_browser() -> None:
    is_open = asyncio.Event()

    async def work() -> None:
        async with open_page(CHROMIUM) as page:
            await page.set_content("<p>busy</p>")
            is_open.set()
            await asyncio.sleep(60)

    task = asyncio.ensure_future(work())
    await asyncio.wait_for(is_open.wait(), 60)
    assert len(browsers_of()) >= 3
    assert len(_drivers()) == 1
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert browsers_of() == []
    assert _drivers() == []
    assert folders_of(os.getpid()) == []


async def test_a_start_that_is_cancelled_leaves_no_browser() -> None:
    async def work() -> None:
        async with open_page(CHROMIUM):
            await asyncio.sleep(60)

    task = asyncio.ensure_future(work())
    await _until(lambda: bool(browsers_of()))
    task.cancel()
    await asyncio.wait({task})
    assert browsers_of() == []
    assert _drivers() == []


class AskedToStop(Exception):  # noqa: N818
    """What a job raises when it was asked to stop."""


async def test_a_stop_is_felt_while_the_browser_starts() -> None:
    def check() -> None:
        if browsers_of():
            raise AskedToStop

    with pytest.raises(AskedToStop):
        async with open_page(CHROMIUM, check=check):
            # It was up before anybody could ask.
            check()
    assert browsers_of() == []
    assert _drivers() == []


async def test_a_worker_that_is_killed_leaves_no_browser() -> None:
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _OWNER, CHROMIUM, stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    assert await owner.stdout.readline() == b"open\n"
    assert browsers_of(owner.pid)
    owner.kill()
    await owner.wait()
    await _until(lambda: not browsers_of(owner.pid))
    assert folders_of(owner.pid) != []
    processes.clear_leftovers()
    assert folders_of(owner.pid) == []


async def test_a_browser_that_dies_is_told_as_passing() -> None:
    site = Site()
    with running(site) as url:
        async with open_page(CHROMIUM) as page:
            worker = Stage(site, url, page).worker()
            await worker.list_codes()
            for pid in browsers_of():
                os.kill(pid, signal.SIGKILL)
            with pytest.raises(FientaUnavailable):
                await worker.list_codes()
    assert browsers_of() == []


async def test_a_browser_does_not_inherit_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "only-for-the-service-itself")
    async with open_page(CHROMIUM):
        seen = [_environment(pid) for pid in browsers_of()]
    assert seen
    assert not [environment for environment in seen if b"only-for-the-service" in environment]


async def test_a_machine_without_a_browser_is_told(tmp_path: Path) -> None:
    with pytest.raises(FientaNotConfigured, match="FIENTA_CHROMIUM"):
        async with open_page(str(tmp_path / "chromium")):
            raise AssertionError("there is no browser")


async def _until(holds: Callable[[], bool]) -> None:
    """Other processes' ends have no event to wait for."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def _environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def _drivers() -> list[int]:
    """Playwright's own processes below this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        if processes.parent_of(int(entry.name)) == os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"playwright" in command:
                found.append(int(entry.name))
    return found
