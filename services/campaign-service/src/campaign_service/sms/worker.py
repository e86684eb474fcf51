"""The lane of texts: a few requests at once, each written down before it is made and after.

Single texts go before campaigns; tenants take turns; a number sends no faster than it may.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from campaign_service.campaigns import repository as campaigns
from campaign_service.campaigns import service as campaign_service
from campaign_service.campaigns.holds import repository as holds
from campaign_service.rendering.model import RenderError
from campaign_service.settings import settings_of
from campaign_service.sms import accounts, content, outcomes, recipients, repository, results, segments
from campaign_service.sms.accounts import Account
from campaign_service.sms.content import Texts
from campaign_service.sms.links import service as links
from campaign_service.sms.numbers import repository as numbers
from campaign_service.sms.outcomes import Meaning
from campaign_service.sms.recipients.repository import is_open
from campaign_service.sms.repository import Attempt
from campaign_service.sms.service import wake_of
from campaign_service.sms.twilio import Access, Twilio
from shared.database import Tx
from shared.errors import AppError
from shared.utils import logger, uuid7
from shared.web import Runtime

_IDLE_SECONDS = 0.5
_BUSY_SECONDS = 0.05
_STUMBLE_SECONDS = 1.0
_SWEEP_SECONDS = 10.0
_LINKS_SECONDS = 10.0
_KEPT_TEXTS = 50
_FORGET_AFTER = timedelta(days=2)
_RESTING = "its new numbers have sent what they may today"


async def run(rt: Runtime, stop: asyncio.Event) -> None:
    """Send the texts of all tenants until `stop`; what is under way is finished."""
    settings = settings_of(rt)
    twilio = Twilio(settings.twilio_url, settings.sms_timeout_seconds)
    lanes = [Lane(rt, twilio, stop) for _ in range(settings.sms_connections)]
    try:
        await asyncio.gather(_wake_at_stop(rt, stop), _sweep(rt, stop), *(lane.run() for lane in lanes))
    finally:
        await twilio.close()


async def _wake_at_stop(rt: Runtime, stop: asyncio.Event) -> None:
    await stop.wait()
    wake_of(rt).set()


async def _sweep(rt: Runtime, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await sweep_once(rt)
        except Exception as error:  # noqa: BLE001  # whatever ails the database, sweeping goes on after it
            logger.warning("lost texts could not be looked for; going on", error=error)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _SWEEP_SECONDS)


async def sweep_once(rt: Runtime) -> int:
    """Texts in flight when their process ended become ambiguous: they may have gone."""
    async with rt.db.system_tx() as tx:
        await repository.forget_early(tx, rt.clock.now() - _FORGET_AFTER)
        lost = await repository.sweep(tx)
        for row in lost:
            await results.spread(tx, rt, row)
    return len(lost)


class Lane:
    """One request at a time. `is_busy`: something waits for a number that may not send yet."""

    def __init__(self, rt: Runtime, twilio: Twilio, stop: asyncio.Event) -> None:
        self._rt = rt
        self._twilio = twilio
        self._stop = stop
        self._texts: OrderedDict[UUID, Texts] = OrderedDict()
        # Until when a campaign whose links cannot be had is left alone.
        self._no_links: dict[UUID, float] = {}
        # Campaigns that no longer say, if one did before us, that they wait for another day.
        self._going: set[UUID] = set()
        # An attempt must have ended before its lease does.
        self._lease = settings_of(rt).sms_timeout_seconds * 2 + 30
        self.is_busy = False

    async def run(self) -> None:
        while not self._stop.is_set():
            try:
                worked = await self.work_once()
            except Exception as error:  # noqa: BLE001  # whatever ails the database, sending goes on after it
                logger.warning("sending a text stumbled; it goes on", error=error)
                await asyncio.sleep(_STUMBLE_SECONDS)
                continue
            if not worked:
                await self._idle()

    async def _idle(self) -> None:
        wake = wake_of(self._rt)
        with suppress(TimeoutError):
            await asyncio.wait_for(wake.wait(), _BUSY_SECONDS if self.is_busy else _IDLE_SECONDS)
        wake.clear()

    async def work_once(self) -> bool:
        """Send one text, or settle that one is not to be sent; False when there was nothing to do."""
        self.is_busy = False
        async with self._rt.db.system_tx() as tx:
            queues = await repository.tenants_with_queue(tx)
            sending = await repository.sending_campaigns(tx)
        for tenant_id in queues:
            if await self._send_queued(tenant_id):
                return True
        for tenant_id, campaign_id in sending:
            if await self._send_campaign(tenant_id, campaign_id):
                return True
        return False

    async def _send_queued(self, tenant_id: UUID) -> bool:
        async with self._rt.db.tenant_tx(tenant_id) as tx:
            account = await accounts.find(tx, self._rt, tenant_id)
            if account is None:
                for row in await repository.fail_queued(tx, tenant_id, "no_account", "SMS is not set up"):
                    await results.spread(tx, self._rt, row)
                return True
            before = await tx.savepoint()
            attempt = await repository.claim_queued(tx, tenant_id, uuid7(), self._lease)
            if attempt is None or not await self._slot(tx, account, attempt.sender):
                await before.rollback()
                return False
        await self._attempt(account.access, attempt)
        return True

    async def _slot(self, tx: Tx, account: Account, sender: str) -> bool:
        """Whether the number of a text that is not a campaign's is free, and from now on busy."""
        today = self._rt.clock.now().date()
        taken = await numbers.take_slot(tx, tx.tenant, (sender,), account.rate, today, counted=False)
        self.is_busy = self.is_busy or taken is None
        return taken is not None

    async def _campaign_slot(self, tx: Tx, account: Account, campaign_id: UUID) -> str | None:
        today = self._rt.clock.now().date()
        sender = await numbers.take_slot(tx, tx.tenant, account.senders, account.rate, today, counted=True)
        if sender is not None and campaign_id not in self._going:
            self._going.add(campaign_id)
            await holds.clear_reason(tx, tx.tenant, campaign_id, _RESTING)
        return sender

    async def _wait_for_slot(self, tx: Tx, account: Account, campaign_id: UUID) -> None:
        """No number is free: for a moment, or all have sent what they may today, which the campaign says."""
        today = self._rt.clock.now().date()
        if not await numbers.are_all_done(tx, tx.tenant, account.senders, today):
            self.is_busy = True
            return
        self._going.discard(campaign_id)
        await holds.set_reason(tx, tx.tenant, campaign_id, _RESTING)

    async def _send_campaign(self, tenant_id: UUID, campaign_id: UUID) -> bool:
        text = await self._text(tenant_id, campaign_id)
        if text is None:
            return False
        async with self._rt.db.tenant_tx(tenant_id) as tx:
            account = await accounts.find(tx, self._rt, tenant_id)
            if account is None:
                await self._pause(tx, tenant_id, campaign_id, "there is no SMS account to send from")
                return True
            before, token, now = await tx.savepoint(), uuid7(), self._rt.clock.now()
            person = await recipients.claim(tx, tenant_id, campaign_id, token, self._lease, now)
            if person is None:
                return await self._finish(tx, tenant_id, campaign_id)
            if await self._held(tx, account, tenant_id, campaign_id, person, token):
                return True
            sender = await self._campaign_slot(tx, account, campaign_id)
            if sender is None:
                await before.rollback()
                await self._wait_for_slot(tx, account, campaign_id)
                return False
            attempt = await self._write(tx, account, tenant_id, campaign_id, person, token, sender, text)
        if attempt is not None:
            await self._attempt(account.access, attempt)
        return True

    async def _held(
        self,
        tx: Tx,
        account: Account,
        tenant_id: UUID,
        campaign_id: UUID,
        person: dict[str, Any],
        token: UUID,
    ) -> bool:
        """Whether this person gets nothing now: not any more, or not before their quiet hours end."""
        now, contact_id = self._rt.clock.now(), person["contact_id"]
        if person["blocked"] is not None:
            await recipients.skip(tx, tenant_id, campaign_id, contact_id, token, person["blocked"], now)
            return True
        until = account.wait_until(now, person["phone"], person["time_zone"])
        if until is not None:
            await recipients.release(tx, tenant_id, campaign_id, contact_id, token, until)
        return until is not None

    async def _write(
        self,
        tx: Tx,
        account: Account,
        tenant_id: UUID,
        campaign_id: UUID,
        person: dict[str, Any],
        token: UUID,
        sender: str,
        text: Texts,
    ) -> Attempt | None:
        """The text of one person on record as being attempted; None when it cannot be made."""
        fault = None
        try:
            body = text.fill(person["language"], person)
        except RenderError as error:
            body, fault = "", str(error)
        number = segments.count(body).segments
        row = {
            "id": uuid7(),
            "direction": "outbound",
            "purpose": "marketing",
            "customer_phone": person["phone"],
            "business_phone": sender,
            "campaign_id": campaign_id,
            "contact_id": person["contact_id"],
            "body": body,
            "segments": number,
            "price": account.price(person["phone"], number),
            "currency": account.currency,
            "status": "attempting",
            "attempts": 1,
            "lease_token": token,
            "lease_until": self._rt.clock.now() + timedelta(seconds=self._lease),
        }
        await repository.insert_message(tx, tenant_id, row)
        attempt = Attempt(
            tenant_id, row["id"], token, person["attempts"], sender, person["phone"], body, campaign_id
        )
        if fault is None:
            return attempt
        await results.settle(tx, self._rt, attempt, Meaning("failed", "render", fault[:300]))
        return None

    async def _attempt(self, access: Access, attempt: Attempt) -> None:
        outcome = await self._twilio.send(access, attempt.sender, attempt.to, attempt.body)
        meaning = outcomes.meaning(outcome, attempt.attempts)
        async with self._rt.db.tenant_tx(attempt.tenant_id) as tx:
            if meaning.code in outcomes.ACCOUNT_FAULTS and attempt.campaign_id is not None:
                reason = f"the SMS account was refused ({meaning.code}): {meaning.detail}"
                await self._pause(tx, attempt.tenant_id, attempt.campaign_id, reason)
                meaning = Meaning("queued", meaning.code, meaning.detail, retry=outcomes.RETRY_SECONDS[0])
            if not await results.settle(tx, self._rt, attempt, meaning):
                logger.warning("a text was given up before its outcome was known", text_id=str(attempt.id))

    async def _pause(self, tx: Tx, tenant_id: UUID, campaign_id: UUID, reason: str) -> None:
        await campaigns.set_status(tx, tenant_id, campaign_id, "paused", self._rt.clock.now(), reason)
        logger.warning("SMS campaign paused", campaign_id=str(campaign_id), reason=reason)

    async def _finish(self, tx: Tx, tenant_id: UUID, campaign_id: UUID) -> bool:
        if await is_open(tx, tenant_id, campaign_id):
            return False
        if await campaign_service.finish(tx, self._rt, tenant_id, campaign_id):
            self._texts.pop(campaign_id, None)
            self._going.discard(campaign_id)
            return True
        return False

    async def _text(self, tenant_id: UUID, campaign_id: UUID) -> Texts | None:
        """The compiled texts; None for a campaign that waits for its links, or has none and is paused."""
        if campaign_id in self._texts:
            return self._texts[campaign_id]
        if self._no_links.get(campaign_id, 0.0) > self._rt.clock.monotonic():
            return None
        async with self._rt.db.tenant_tx(tenant_id) as tx:
            campaign = await campaigns.get(tx, tenant_id, campaign_id)
            assert campaign is not None, "a campaign that is being sent is never deleted"
            try:
                written = await content.load(tx, campaign)
            except AppError as error:
                await self._pause(tx, tenant_id, campaign_id, f"cannot be rendered: {error.message}")
                return None
        short = await links.short(self._rt, campaign)
        if short is None:
            self._no_links[campaign_id] = self._rt.clock.monotonic() + _LINKS_SECONDS
            return None
        self._no_links.pop(campaign_id, None)
        text = content.compiled(campaign, written, lambda variant: short.get(variant, {}).get)
        self._texts[campaign_id] = text
        if len(self._texts) > _KEPT_TEXTS:
            self._texts.popitem(last=False)
        return text
