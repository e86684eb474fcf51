"""A Chromium of its own for one worker, gone without a trace when the block ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Error, Page, Playwright, async_playwright

from code_service.fienta import processes
from code_service.fienta.port import FientaNotConfigured, FientaUnavailable
from code_service.fienta.waiting import Check, never, within
from shared.utils.logging import logger

_QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NEEDED = ("PATH", "LANG", "TZ", "TMPDIR", "DISPLAY", "XAUTHORITY", "http_proxy", "https_proxy", "no_proxy")
_STOP_SECONDS = 2.0
_LAUNCH_SECONDS = 60.0


@asynccontextmanager
async def open_page(
    executable: str, *, headless: bool = True, sandbox: bool = True, check: Check = never
) -> AsyncIterator[Page]:
    """An empty page of a new browser with an empty profile. `sandbox`: Chromium's own, which root never has.

    Raises FientaNotConfigured when there is no browser, FientaUnavailable when it does not start, and what
    `check` raises while it starts. However the block ends, the browser, its children and Playwright's driver
    end with it.
    """
    if not await asyncio.to_thread(os.access, executable, os.X_OK):
        raise FientaNotConfigured(f"there is no browser at {executable} (FIENTA_CHROMIUM)")
    await asyncio.to_thread(processes.clear_leftovers)
    folder = processes.new_folder()
    driver: Playwright | None = None
    try:
        driver = await async_playwright().start()
        sandbox = sandbox and os.geteuid() != 0
        launching = _launch(driver, folder, executable, headless=headless, sandbox=sandbox)
        yield await within(_LAUNCH_SECONDS, check, launching)
    finally:
        await _end(driver, folder)


async def _launch(
    driver: Playwright, folder: Path, executable: str, *, headless: bool, sandbox: bool
) -> Page:
    arguments = _QUIET if sandbox else (*_QUIET, "--no-sandbox")
    try:
        context = await driver.chromium.launch_persistent_context(
            folder / "profile",
            executable_path=executable,
            headless=headless,
            args=list(arguments),
            chromium_sandbox=sandbox,
            timeout=0,
            env=_environment(folder),
            locale="en-GB",
            viewport={"width": 1280, "height": 900},
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
        )
    except Error as error:
        raise FientaUnavailable(f"the browser did not start: {error.message.splitlines()[0]}") from None
    return context.pages[0] if context.pages else await context.new_page()


def _environment(folder: Path) -> dict[str, str | float | bool]:
    """What a browser needs and no more: this process's own environment holds secrets."""
    needed: dict[str, str | float | bool] = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    return needed | {name: str(folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}


async def _end(driver: Playwright | None, folder: Path) -> None:
    """Kill first, then tidy up: a second cancellation must not find a living browser."""
    helper = _driver_of(folder)
    ended = processes.end_all(folder)
    if driver is not None:
        with contextlib.suppress(TimeoutError, Error):
            await asyncio.wait_for(driver.stop(), _STOP_SECONDS)
        # A browser that was just being started when the first look was taken.
        ended += processes.end_all(folder)
    if helper is not None and processes.parent_of(helper) == os.getpid():
        with contextlib.suppress(ProcessLookupError):
            os.kill(helper, signal.SIGKILL)
    logger.debug("browser ended", processes=ended)


def _driver_of(folder: Path) -> int | None:
    """The driver that started the browser: a child of this process."""
    parents = {processes.parent_of(pid) for pid in processes.processes_of(folder)}
    return next((p for p in parents if p is not None and processes.parent_of(p) == os.getpid()), None)
