"""Polling by itself: one job a tenant, so that one that hangs holds up no other."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from campaign_service.channels import service as channels
from campaign_service.channels.model import Provider
from campaign_service.settings import Settings, settings_of
from shared.errors import PermanentError
from shared.jobs import JobAlreadyActive, JobContext, Schedule, job
from shared.utils import logger

from . import repository
from .client import MailWizzClient, MailWizzRefusedError
from .polling import Source, poll_campaign

_ASKED_FOR = timedelta(days=30)
_TENANT_JOB = "mailwizz.poll-tenant"


@job("mailwizz.poll", max_attempts=1)
async def poll(ctx: JobContext) -> dict[str, Any]:
    """Have every tenant's MailWizz asked, unless that is still under way."""
    async with ctx.runtime.db.system_tx() as tx:
        tenants = await repository.tenants(tx)
    for tenant_id in tenants:
        with suppress(JobAlreadyActive):
            async with ctx.runtime.db.tenant_tx(tenant_id) as tx:
                await ctx.runtime.jobs.enqueue(tx, _TENANT_JOB, {}, tenant_id=tenant_id, unique_key="poll")
    return {"tenants": len(tenants)}


@job(_TENANT_JOB, max_attempts=1, timeout=1800)
async def poll_tenant(ctx: JobContext) -> dict[str, Any]:
    """Ask about the campaigns of the last thirty days. One that is not known there is passed over."""
    async with ctx.tx() as tx:
        tenant_id = tx.tenant
        asked = [p for p in await channels.providers(ctx.runtime, tx) if p.kind == "mailwizz"]
        since = ctx.runtime.clock.now() - _ASKED_FOR
        campaigns = await repository.campaigns(tx, tenant_id, since)
    provider = next((provider for provider in asked if provider.settings.get("poll")), None)
    if provider is None:
        raise PermanentError("there is no MailWizz to ask any more")
    taken = 0
    async with _client(ctx, provider) as client:
        for done, (campaign_id, uid) in enumerate(campaigns):
            await ctx.progress(done, len(campaigns))
            try:
                taken += await poll_campaign(ctx.runtime, client, Source(tenant_id, campaign_id, uid))
            except MailWizzRefusedError as error:
                logger.warning("MailWizz does not tell", campaign_id=str(campaign_id), error=str(error))
    return {"campaigns": len(campaigns), "records": taken}


def _client(ctx: JobContext, provider: Provider) -> MailWizzClient:
    allowed = settings_of(ctx.runtime).provider_private_hosts
    return MailWizzClient(provider.settings["url"], provider.secret or "", allowed)


JOBS = (poll, poll_tenant)


def schedules(settings: Settings) -> tuple[Schedule, ...]:
    """How often everybody's MailWizz is asked."""
    return (Schedule("mailwizz.poll", settings.mailwizz_poll_seconds, poll.type),)
