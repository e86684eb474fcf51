"""Polling by itself: one job a tenant, so that one that hangs holds up no other.

Nor does one MailWizz of a tenant hold up another.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from campaign_service.channels import service as channels
from campaign_service.channels.model import Provider
from campaign_service.settings import Settings, settings_of
from shared.database import Tx
from shared.errors import AppError, PermanentError
from shared.jobs import JobAlreadyActive, JobContext, Schedule, job
from shared.utils import logger

from . import repository
from .carrying import repository as carrying
from .carrying.repository import Carried
from .carrying.service import Carrier, hold
from .carrying.starting import TENANT_JOB
from .client import MailWizzClient, MailWizzRefusedError, MailWizzUnavailableError
from .polling import Source, poll_campaign
from .removals import repository as removals
from .removals.service import remove

REMOVE_JOB = "mailwizz.remove-tenant"
_ASKED_FOR = timedelta(days=30)
_REMOVE_SECONDS = 60
Asked = tuple[UUID, str, str | None]


@job("mailwizz.poll", max_attempts=1)
async def poll(ctx: JobContext) -> dict[str, Any]:
    """Have every tenant's MailWizz asked, unless that is still under way."""
    async with ctx.runtime.db.system_tx() as tx:
        tenants = await repository.tenants(tx)
    return await _enqueue(ctx, TENANT_JOB, tenants, "poll")


@job("mailwizz.remove", max_attempts=1)
async def remove_everywhere(ctx: JobContext) -> dict[str, Any]:
    """Have lists brought up to date, unless that is still under way."""
    async with ctx.runtime.db.system_tx() as tx:
        tenants = await removals.tenants(tx)
    return await _enqueue(ctx, REMOVE_JOB, tenants, "remove")


async def _enqueue(ctx: JobContext, kind: str, tenants: Sequence[UUID], key: str) -> dict[str, Any]:
    for tenant_id in tenants:
        with suppress(JobAlreadyActive):
            async with ctx.runtime.db.tenant_tx(tenant_id) as tx:
                await ctx.runtime.jobs.enqueue(tx, kind, {}, tenant_id=tenant_id, unique_key=key)
    return {"tenants": len(tenants)}


class Round:
    """The MailWizz accounts of one tenant. One that does not answer is left alone until the next round."""

    def __init__(self, ctx: JobContext, known: Sequence[Provider]) -> None:
        self._ctx = ctx
        self._known = {provider.name: provider for provider in known}
        self.silent: dict[str, str] = {}

    def of(self, name: str | None) -> Provider | None:
        """By name; None names the first that is to be asked about campaigns it was not given by us."""
        if name is not None:
            return self._known.get(name)
        return next((provider for provider in self._known.values() if provider.settings.get("poll")), None)

    async def ask(
        self, provider: Provider, what: Callable[[MailWizzClient], Coroutine[Any, Any, int]]
    ) -> int:
        """Do something with a client of the account, unless it is silent. Raises MailWizzRefusedError."""
        if provider.name in self.silent:
            return 0
        allowed = settings_of(self._ctx.runtime).provider_private_hosts
        try:
            async with MailWizzClient(provider.settings["url"], provider.secret or "", allowed) as client:
                return await what(client)
        except MailWizzUnavailableError as error:
            self.silent[provider.name] = str(error)
            logger.warning("a MailWizz does not answer", provider=provider.name, error=str(error))
            return 0


async def _round(ctx: JobContext, tx: Tx) -> Round:
    return Round(ctx, [p for p in await channels.providers(ctx.runtime, tx) if p.kind == "mailwizz"])


@job(TENANT_JOB, max_attempts=1, timeout=1800)
async def poll_tenant(ctx: JobContext) -> dict[str, Any]:
    """Bring campaigns there, and ask about those of thirty days. One not known there is passed over."""
    async with ctx.tx() as tx:
        round_ = await _round(ctx, tx)
        since = ctx.runtime.clock.now() - _ASKED_FOR
        campaigns = await repository.campaigns(tx, tx.tenant, since)
    brought = await _carry_all(ctx, round_)
    asked = [one for one in campaigns if one[0] not in brought]
    if not brought and round_.of(None) is None:
        raise PermanentError("there is no MailWizz to ask any more")
    taken = 0
    for done, one in enumerate(asked):
        await ctx.progress(done, len(asked))
        taken += await _poll(ctx, round_, one)
    counts = {"campaigns": len(asked), "records": taken, "brought": len(brought)}
    return counts | {"silent": round_.silent}


async def _poll(ctx: JobContext, round_: Round, asked: Asked) -> int:
    campaign_id, uid, name = asked
    provider = round_.of(name)
    if provider is None or not provider.settings.get("poll"):
        return 0
    async with ctx.tx() as tx:
        source = Source(tx.tenant, campaign_id, uid)
    try:
        return await round_.ask(provider, lambda client: poll_campaign(ctx.runtime, client, source))
    except MailWizzRefusedError as error:
        logger.warning("MailWizz does not tell", campaign_id=str(campaign_id), error=str(error))
        return 0


async def _carry_all(ctx: JobContext, round_: Round) -> set[UUID]:
    """Go on with campaigns that MailWizz sends, each once, also with those started meanwhile."""
    brought: set[UUID] = set()
    while True:
        async with ctx.tx() as tx:
            carried = await carrying.not_over(tx, tx.tenant)
        left = next((one for one in carried if one.campaign_id not in brought), None)
        if left is None:
            return brought
        await _carry_on(ctx, round_, left)
        brought.add(left.campaign_id)


async def _carry_on(ctx: JobContext, round_: Round, carried: Carried) -> None:
    """One that cannot go on is paused with the reason; one whose MailWizz is silent says so and waits."""
    provider = round_.of(carried.provider)
    reason = "its MailWizz is among the tenant's providers no more"
    if provider is not None:

        async def advance(client: MailWizzClient) -> int:
            await Carrier(ctx.runtime, client, provider, ctx.tx).advance(carried)
            return 1

        try:
            await round_.ask(provider, advance)
        except MailWizzRefusedError as error:
            reason = f"MailWizz refused: {error}"
        except AppError as error:
            reason = f"MailWizz cannot send it: {error.message}"
        else:
            silence = round_.silent.get(provider.name)
            async with ctx.tx() as tx:
                await carrying.say_silence(tx, tx.tenant, carried.campaign_id, silence)
            return
    async with ctx.tx() as tx:
        await hold(tx, ctx.runtime, carried.campaign_id, reason)


@job(REMOVE_JOB, max_attempts=1, timeout=1800)
async def remove_of_tenant(ctx: JobContext) -> dict[str, Any]:
    """Take those off MailWizz's lists who may not be written to any more; how many it did not let go."""
    async with ctx.tx() as tx:
        for campaign_id in await removals.open_lists(tx, tx.tenant):
            await removals.mark(tx, tx.tenant, campaign_id, ctx.runtime.clock.now())
        people = await removals.leaving(tx, tx.tenant, None)
        round_ = await _round(ctx, tx)
    kept = 0
    for name in dict.fromkeys(one.provider for one in people):
        theirs = [one for one in people if one.provider == name]
        provider = round_.of(name)
        what = partial(remove, ctx.runtime, tx_of=ctx.tx, people=theirs)
        kept += len(theirs) if provider is None else await round_.ask(provider, what)
    return {"people": len(people), "kept": kept, "silent": round_.silent}


JOBS = (poll, poll_tenant, remove_everywhere, remove_of_tenant)


def schedules(settings: Settings) -> tuple[Schedule, ...]:
    """How often everybody's MailWizz is asked, and told who left."""
    often = settings.mailwizz_poll_seconds
    return (
        Schedule("mailwizz.poll", often, poll.type),
        Schedule("mailwizz.remove", min(often, _REMOVE_SECONDS), remove_everywhere.type),
    )
