"""A simulated Fienta, a browser on it, and workers as jobs have them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from playwright.async_api import Page

from code_service.fienta.browser import BrowserDiscounts, Pace
from code_service.fienta.chromium import open_page
from code_service.fienta.evidence import Evidence
from code_service.fienta.processes import processes_of
from code_service.fienta.site import Account, FientaSite
from code_service.settings import Settings
from tests.simulators.fienta import Site, running

CHROMIUM = Settings().fienta_chromium
ZONE = ZoneInfo("Europe/Tallinn")
PNG = b"\x89PNG\r\n\x1a\n"


def nobody_stops() -> None:
    """A `check` that lets everything go on."""


@dataclass
class Kept:
    """What a worker kept of its failures."""

    files: dict[str, bytes] = field(default_factory=dict)

    async def keep(self, name: str, content: bytes) -> None:
        self.files[name] = content

    @property
    def names(self) -> list[str]:
        return sorted(self.files)

    def has_picture(self, step: str) -> bool:
        """Whether a picture of the step is there that is one."""
        return any(
            name.endswith(f"-{step}.png") and content.startswith(PNG) and len(content) > 1000
            for name, content in self.files.items()
        )


@dataclass
class Stage:
    """The site, where it is served, and a page of a browser."""

    site: Site
    url: str
    page: Page
    kept: Kept = field(default_factory=Kept)

    def worker(
        self,
        *,
        password: str | None = None,
        event: str | None = None,
        pace: Pace | None = None,
        wait: float = 10.0,
        check: Callable[[], None] = nobody_stops,
        url: str | None = None,
    ) -> BrowserDiscounts:
        """A worker that has not logged in yet. `wait`: seconds for parts of a page."""
        secret = password or self.site.password
        account = Account(self.site.email, secret, event or self.site.event)
        pages = FientaSite(self.page, url or self.url, account.event, ZONE, wait)
        evidence = Evidence(self.kept.keep, [secret])
        return BrowserDiscounts(pages, account, evidence, pace or Pace(delay=0), check)

    def reset(self) -> None:
        """As at the start: nobody is logged in, no codes, no faults."""
        self.site.clear()
        self.site.sessions.clear()
        self.kept.files.clear()


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    site = Site()
    with running(site) as url:
        async with open_page(CHROMIUM) as page:
            yield Stage(site, url, page)


def folders_of(pid: int) -> list[Path]:
    """Folders of browsers that a process opened and that are there yet."""
    return list(Path(tempfile.gettempdir()).glob(f"tidings-fienta-{pid}-*"))


def browsers_of(pid: int | None = None) -> list[int]:
    """Living processes of browsers that this or another process opened."""
    return list(processes_of(Path(tempfile.gettempdir()) / f"tidings-fienta-{pid or os.getpid()}-"))
