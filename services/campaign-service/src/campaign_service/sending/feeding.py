"""Which recipients come next: leases in turns over the tenants, so that no campaign holds up another's."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace
from uuid import UUID

from campaign_service.ab.content import compiled
from campaign_service.campaigns import repository as campaigns
from campaign_service.campaigns import service
from campaign_service.campaigns.content import campaign_info, load_contents
from campaign_service.dkim.mails import signed
from campaign_service.limits import repository as limits
from campaign_service.limits.admission import Limiter, open_limiter
from campaign_service.rendering import Mails, Site
from campaign_service.settings import settings_of
from campaign_service.tracking.preferences.repository import has_link_trap
from campaign_service.warmup import repository as warmup
from campaign_service.warmup.admission import Gate, open_gate
from shared.database import Tx
from shared.errors import AppError
from shared.utils import logger, uuid7
from shared.web import Runtime

from . import repository
from .model import CampaignKey, Claimed, Limits, Window
from .tenants import TenantLanes

_IDLE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 3.0
_KEPT_CAMPAIGNS = 50


def in_turns(keys: list[CampaignKey], start: int = 0) -> list[CampaignKey]:
    """One campaign of each tenant, then the next of each; `start` moves who begins."""
    by_tenant: dict[UUID, list[CampaignKey]] = {}
    for key in keys:
        by_tenant.setdefault(key.tenant_id, []).append(key)
    tenants = sorted(by_tenant)
    offset = start % len(tenants) if tenants else 0
    ordered = tenants[offset:] + tenants[:offset]
    deepest = max((len(by_tenant[tenant]) for tenant in ordered), default=0)
    return [
        by_tenant[tenant][row] for row in range(deepest) for tenant in ordered if row < len(by_tenant[tenant])
    ]


class Feeder:
    """Fills `windows` with leased recipients until `stop`."""

    def __init__(
        self, runtime: Runtime, site: Site, limits: Limits, stop: asyncio.Event, tenants: TenantLanes
    ) -> None:
        # a batch in store, so that the connections go on while the next one is claimed
        store = limits.connections + limits.batch // limits.window
        self.windows: asyncio.Queue[Window] = asyncio.Queue(maxsize=store)
        self._runtime = runtime
        self._site = site
        self._limits = limits
        self._stop = stop
        self._tenants = tenants
        self._warming: set[UUID] = set()
        self._limited: set[UUID] = set()
        self._cursors: dict[CampaignKey, UUID] = {}
        self._compiled: OrderedDict[CampaignKey, Mails] = OrderedDict()
        self._turn = 0
        self.unqueued: list[Window] = []

    async def round(self) -> None:
        """One turn for every campaign; a pause when none had anything to send."""
        async with self._runtime.db.system_tx() as tx:
            keys = await repository.sending_campaigns(tx)
            if keys:
                await self._tenants.refresh(tx)
                self._warming = await warmup.tenants(tx)
                self._limited = await limits.tenants(tx)
        self._turn += 1
        fed, begun = False, asyncio.get_running_loop().time()
        batch = max(self._limits.window, self._limits.batch // max(1, len({key.tenant_id for key in keys})))
        for key in in_turns(keys, self._turn):
            if self._stop.is_set():
                break
            fed = await self._feed(key, batch) or fed
        if not fed:
            # Looking costs more the larger the campaigns are that wait for a retry; a new one waits little.
            cost = asyncio.get_running_loop().time() - begun
            await asyncio.sleep(min(max(_IDLE_SECONDS, 20 * cost), _LONGEST_PAUSE_SECONDS))

    async def _feed(self, key: CampaignKey, batch: int) -> bool:
        """Claims and queues one batch; False when the campaign had nobody to claim."""
        compiled = await self._compile(key)
        if compiled is None:
            return False
        windows, pool = self.windows, ""
        if own := self._tenants.of(key.tenant_id):
            # A full queue of one tenant must not keep the feeder from the others.
            windows, batch = own.windows, min(batch, own.room * self._limits.window)
            provider = await own.outlet.first_due()
            if not batch or provider is None:
                return False
            pool = provider.ip_pool
        token = uuid7()
        deadline = asyncio.get_running_loop().time() + self._limits.lease
        rows, any_seen = await self._claim(key, token, batch, pool)
        if not any_seen:
            await self._finish_if_done(key)
        size = self._limits.window
        self.unqueued = [
            Window(key, token, compiled, rows[at : at + size], deadline) for at in range(0, len(rows), size)
        ]
        while self.unqueued:
            await windows.put(self.unqueued[0])
            self.unqueued.pop(0)
        return any_seen

    async def _claim(
        self, key: CampaignKey, token: UUID, batch: int, pool: str
    ) -> tuple[list[Claimed], bool]:
        """Leased recipients, and whether any were found (they may all have been skipped)."""
        lease, now = self._limits.lease, self._runtime.clock.now()
        after = self._cursors.pop(key, None)
        async with self._runtime.db.tenant_tx(key.tenant_id) as tx:
            gates = await self._gates(tx, key, pool)
            for gate in gates:
                if gate.room == 0:
                    await gate.say_why_nobody(tx)
                    return [], False
                batch = min(batch, gate.room or batch)
            rows, last = await repository.claim_fresh(tx, key, token, lease, now, batch, after)
            if last is not None:
                self._cursors[key] = last
            if len(rows) < batch:
                rows += await repository.claim_due(tx, key, token, lease, now, batch - len(rows))
            any_seen = bool(rows) or last is not None
            for gate in gates:
                admitted = await gate.admit(tx, token, [row.recipient for row in rows])
                rows = [row for row in rows if row.recipient.contact_id in admitted]
        return rows, any_seen

    async def _gates(self, tx: Tx, key: CampaignKey, pool: str) -> list[Limiter | Gate]:
        """Rates and warm-up that this campaign's mails have to obey; most tenants have neither."""
        gates: list[Limiter | Gate] = []
        sender, now = settings_of(self._runtime).from_email, self._runtime.clock.now()
        if key.tenant_id in self._limited:
            gates.append(await open_limiter(tx, key.campaign_id, pool, sender, now))
        if key.tenant_id in self._warming:
            gates.append(await open_gate(tx, key.campaign_id, pool, sender, now))
        return gates

    async def _finish_if_done(self, key: CampaignKey) -> None:
        async with self._runtime.db.tenant_tx(key.tenant_id) as tx:
            if await repository.is_open(tx, key):
                return
            if await service.finish(tx, self._runtime, key.tenant_id, key.campaign_id):
                self._compiled.pop(key, None)
                logger.info("campaign sent", campaign_id=str(key.campaign_id))

    async def _compile(self, key: CampaignKey) -> Mails | None:
        """The compiled campaign; one that cannot be compiled is paused, with the reason, and None."""
        if key in self._compiled:
            return self._compiled[key]
        try:
            found = await load(self._runtime, self._site, key)
        except AppError as error:
            async with self._runtime.db.tenant_tx(key.tenant_id) as tx:
                now, reason = self._runtime.clock.now(), f"cannot be rendered: {error.message}"
                await campaigns.set_status(tx, key.tenant_id, key.campaign_id, "paused", now, reason)
            logger.warning("campaign paused", campaign_id=str(key.campaign_id), error=error)
            return None
        self._compiled[key] = found
        if len(self._compiled) > _KEPT_CAMPAIGNS:
            self._compiled.popitem(last=False)
        return found


async def load(runtime: Runtime, site: Site, key: CampaignKey) -> Mails:
    """The frozen content and link table of a started campaign, signed where there are keys."""
    async with runtime.db.tenant_tx(key.tenant_id) as tx:
        campaign = await campaigns.get(tx, key.tenant_id, key.campaign_id)
        assert campaign is not None, "a campaign that is being sent is never deleted"
        template = await campaigns.template(tx, key.tenant_id, campaign["template_id"])
        assert template is not None, "the campaign's foreign key keeps its template"
        contents = await load_contents(tx, key.tenant_id, template["id"], campaign["template_version"])
        links = await repository.links(tx, key)
        info = replace(
            campaign_info(runtime, campaign, template["default_language"]),
            has_link_trap=await has_link_trap(tx, key.tenant_id),
        )
        plain = await compiled(tx, campaign, contents, info=info, site=site, links=links)
        return await signed(tx, runtime, info.from_email, plain)
