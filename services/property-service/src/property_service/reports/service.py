"""A tenant's report settings."""

from __future__ import annotations

from property_service.reports import repository
from property_service.reports.schemas import ReportSettings, ReportSettingsOut
from property_service.settings import settings_of
from shared.database import Tx
from shared.web import Runtime

_NO_NAME = "Tidings"


async def settings_for(tx: Tx) -> ReportSettingsOut:
    """The tenant's settings, or the defaults."""
    found = await repository.find(tx, tx.tenant)
    return ReportSettingsOut(**found) if found else ReportSettingsOut(brand_name=_NO_NAME)


async def change(tx: Tx, rt: Runtime, wanted: ReportSettings) -> ReportSettingsOut:
    """Replace the tenant's settings."""
    await repository.put(tx, tx.tenant, wanted.model_dump(), rt.clock.now())
    return await settings_for(tx)


def alert_address(settings: ReportSettings, rt: Runtime) -> str | None:
    """Who is told of failures and shortages; None when nobody was named."""
    return settings.alert_email or settings_of(rt).cto_email or None
