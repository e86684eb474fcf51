"""What is removed, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shared.jobs import JobContext, Schedule, job
from webhook_gateway.history import repository as history
from webhook_gateway.identity import repository as identity
from webhook_gateway.limits import repository as limits
from webhook_gateway.settings import GatewaySettings


@job("gateway.retention", timeout=1800)
async def forget_old(ctx: JobContext) -> dict[str, Any]:
    """Remove webhooks older than WEBHOOK_RETENTION_DAYS, ended sessions and finished rate windows."""
    runtime = ctx.runtime
    settings: GatewaySettings = runtime.config
    now = runtime.clock.now()
    horizon = now - timedelta(days=settings.webhook_retention_days)
    removed, batch = 0, -1
    while batch:
        ctx.check_cancelled()
        async with runtime.db.system_tx() as tx:
            batch = await history.forget_before(tx, horizon)
        removed += batch
    async with runtime.db.plain_tx() as tx:
        sessions = await identity.forget_revoked(tx, now)
        counters = await limits.forget_counters(tx, settings.rate_limit_window)
    return {"webhooks": removed, "sessions": sessions, "rate_counters": counters}


JOBS = (forget_old,)
SCHEDULES = (Schedule("gateway-retention", 3600, "gateway.retention"),)
