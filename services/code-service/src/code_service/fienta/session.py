"""The way for jobs and commands to a tenant's codes at Fienta."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID
from zoneinfo import ZoneInfo

from code_service.fienta import service
from code_service.fienta.lease import Lease, hold_account
from code_service.fienta.port import FientaDiscounts, FientaNotConfigured, KeepArtifact
from code_service.fienta.service import Credentials
from code_service.fienta.waiting import Check, never
from code_service.settings import Settings
from shared.database import SimpleDatabase


@asynccontextmanager
async def open_fienta(
    settings: Settings,
    db: SimpleDatabase,
    tenant_id: UUID,
    *,
    event: str | None = None,
    check: Check = never,
    keep: KeepArtifact | None = None,
    headless: bool = True,
) -> AsyncIterator[FientaDiscounts]:
    """The codes of `event` (None: the event of the tenant's settings), with the tenant's credentials.

    `check` is asked ten times a second while a page loads; what it raises (`ctx.check_cancelled` raises
    JobCancelled) ends the work and the browser with all its processes. `keep` gets a picture and the page of
    each step that failed.

    Raises FientaNotConfigured, FientaBusy, FientaUnavailable when the browser does not start, and at the
    first operation what the port tells.
    """
    async with db.tenant_tx(tenant_id, read_only=True) as tx:
        credentials = await service.load(tx, settings, tenant_id)

    async with (
        hold_account(db, credentials.email) as lease,
        browse(settings, credentials, event, _both(check, lease), keep, headless) as discounts,
    ):
        yield discounts


def _both(check: Check, lease: Lease) -> Check:
    def checked() -> None:
        check()
        lease.check()

    return checked


@asynccontextmanager
async def browse(
    settings: Settings,
    credentials: Credentials,
    event: str | None,
    check: Check = never,
    keep: KeepArtifact | None = None,
    headless: bool = True,
) -> AsyncIterator[FientaDiscounts]:
    """The same for credentials at hand, without a database: nobody else may use the account meanwhile."""
    try:
        from code_service.fienta.browser import BrowserDiscounts, Pace
        from code_service.fienta.chromium import open_page
        from code_service.fienta.evidence import Evidence
        from code_service.fienta.site import Account, FientaSite
    except ImportError:
        raise FientaNotConfigured("Playwright is not installed (tidings-code-service[browser])") from None
    account = Account(credentials.email, credentials.password, event or credentials.event_id)
    zone = ZoneInfo(settings.fienta_timezone)
    pace = Pace(
        settings.fienta_delay_seconds, settings.fienta_operation_seconds, settings.fienta_login_seconds
    )
    async with open_page(
        settings.fienta_chromium, headless=headless, sandbox=settings.fienta_sandbox, check=check
    ) as page:
        site = FientaSite(
            page, settings.fienta_base_url, account.event, zone, settings.fienta_element_seconds
        )
        yield BrowserDiscounts(site, account, Evidence(keep, [account.password]), pace, check)
