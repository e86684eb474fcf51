"""Polling by itself: one job a tenant, so that one that hangs holds up no other."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from campaign_service.channels import service as channels
from campaign_service.channels.model import Provider
from campaign_service.settings import Settings, settings_of
from shared.errors import AppError, PermanentError
from shared.jobs import JobAlreadyActive, JobContext, Schedule, job
from shared.utils import logger

from . import repository
from .carrying import repository as carrying
from .carrying.repository import Carried
from .carrying.service import Carrier, hold
from .carrying.starting import TENANT_JOB
from .client import MailWizzClient, MailWizzRefusedError
from .polling import Source, poll_campaign

_ASKED_FOR = timedelta(days=30)


@job("mailwizz.poll", max_attempts=1)
async def poll(ctx: JobContext) -> dict[str, Any]:
    """Have every tenant's MailWizz asked, unless that is still under way."""
    async with ctx.runtime.db.system_tx() as tx:
        tenants = await repository.tenants(tx)
    for tenant_id in tenants:
        with suppress(JobAlreadyActive):
            async with ctx.runtime.db.tenant_tx(tenant_id) as tx:
                await ctx.runtime.jobs.enqueue(tx, TENANT_JOB, {}, tenant_id=tenant_id, unique_key="poll")
    return {"tenants": len(tenants)}


@job(TENANT_JOB, max_attempts=1, timeout=1800)
async def poll_tenant(ctx: JobContext) -> dict[str, Any]:
    """Bring campaigns there, and ask about those of thirty days. One not known there is passed over."""
    async with ctx.tx() as tx:
        tenant_id = tx.tenant
        known = [p for p in await channels.providers(ctx.runtime, tx) if p.kind == "mailwizz"]
        since = ctx.runtime.clock.now() - _ASKED_FOR
        campaigns = await repository.campaigns(tx, tenant_id, since)
    brought = await _carry_all(ctx, known)
    provider = next((provider for provider in known if provider.settings.get("poll")), None)
    if provider is None:
        if brought:
            return {"campaigns": 0, "records": 0, "brought": len(brought)}
        raise PermanentError("there is no MailWizz to ask any more")
    taken = 0
    asked = [(campaign_id, uid) for campaign_id, uid in campaigns if campaign_id not in brought]
    async with _client(ctx, provider) as client:
        for done, (campaign_id, uid) in enumerate(asked):
            await ctx.progress(done, len(asked))
            try:
                taken += await poll_campaign(ctx.runtime, client, Source(tenant_id, campaign_id, uid))
            except MailWizzRefusedError as error:
                logger.warning("MailWizz does not tell", campaign_id=str(campaign_id), error=str(error))
    return {"campaigns": len(asked), "records": taken, "brought": len(brought)}


async def _carry_all(ctx: JobContext, known: list[Provider]) -> set[UUID]:
    """Go on with campaigns that MailWizz sends, each once, also with those started meanwhile."""
    by_name = {provider.name: provider for provider in known}
    brought: set[UUID] = set()
    while True:
        async with ctx.tx() as tx:
            carried = await carrying.not_over(tx, tx.tenant)
        left = next((one for one in carried if one.campaign_id not in brought), None)
        if left is None:
            return brought
        await _carry_on(ctx, by_name.get(left.provider), left)
        brought.add(left.campaign_id)


async def _carry_on(ctx: JobContext, provider: Provider | None, carried: Carried) -> None:
    """One that cannot go on is paused with the reason."""
    reason = "its MailWizz is among the tenant's providers no more"
    if provider is not None:
        try:
            async with _client(ctx, provider) as client:
                await Carrier(ctx.runtime, client, provider, ctx.tx).advance(carried)
        except MailWizzRefusedError as error:
            reason = f"MailWizz refused: {error}"
        except AppError as error:
            reason = f"MailWizz cannot send it: {error.message}"
        else:
            return
    async with ctx.tx() as tx:
        await hold(tx, ctx.runtime, carried.campaign_id, reason)


def _client(ctx: JobContext, provider: Provider) -> MailWizzClient:
    allowed = settings_of(ctx.runtime).provider_private_hosts
    return MailWizzClient(provider.settings["url"], provider.secret or "", allowed)


JOBS = (poll, poll_tenant)


def schedules(settings: Settings) -> tuple[Schedule, ...]:
    """How often everybody's MailWizz is asked."""
    return (Schedule("mailwizz.poll", settings.mailwizz_poll_seconds, poll.type),)
