"""The lane of texts: a batch at once, written down before its requests are made and after.

Single texts go before campaigns; tenants take turns; a number sends no faster than it may.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from campaign_service.campaigns import repository as campaigns
from campaign_service.campaigns import service as campaign_service
from campaign_service.campaigns.holds import repository as holds
from campaign_service.rendering.model import RenderError
from campaign_service.settings import settings_of
from campaign_service.sms import accounts, content, recipients, repository, results, segments, slots
from campaign_service.sms.accounts import Account
from campaign_service.sms.content import Texts
from campaign_service.sms.flights import fly, pause
from campaign_service.sms.links import service as links
from campaign_service.sms.numbers import repository as numbers
from campaign_service.sms.outcomes import Meaning
from campaign_service.sms.recipients.repository import is_open
from campaign_service.sms.repository import Attempt
from campaign_service.sms.service import wake_of
from campaign_service.sms.settling import repository as settling
from campaign_service.sms.settling.service import Outcome, settle
from campaign_service.sms.slots import Slot
from campaign_service.sms.twilio import Twilio
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
Person = dict[str, Any]
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
    """One batch at a time. `is_busy`: something waits for a number that may not send yet."""

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
        """Send a batch, or settle that people get nothing; False when there was nothing to do."""
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
        await fly(self._rt, self._twilio, account.access, [(attempt, 0.0)])
        return True

    async def _slot(self, tx: Tx, account: Account, sender: str) -> bool:
        """Whether the number of a text that is not a campaign's is free, and from now on busy."""
        is_free = await numbers.take_slot(tx, tx.tenant, sender, account.rate)
        self.is_busy = self.is_busy or not is_free
        return is_free

    async def _campaign_slots(self, tx: Tx, account: Account, campaign_id: UUID, wanted: int) -> list[Slot]:
        today = self._rt.clock.now().date()
        senders = await numbers.lock(tx, tx.tenant, account.senders, today)
        found = slots.share(senders, account.rate, wanted)
        if found:
            await numbers.take(tx, tx.tenant, slots.taken(found, account.rate), today)
        if found and campaign_id not in self._going:
            self._going.add(campaign_id)
            await holds.clear_reason(tx, tx.tenant, campaign_id, _RESTING)
        return found

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
                await pause(tx, self._rt, campaign_id, "there is no SMS account to send from")
                return True
            before, token = await tx.savepoint(), uuid7()
            people = await self._claim(tx, account, campaign_id, token)
            if not people:
                return await self._finish(tx, tenant_id, campaign_id)
            due = await self._due(tx, account, campaign_id, people, token)
            found = await self._campaign_slots(tx, account, campaign_id, len(due)) if due else []
            if due and not found:
                if len(due) == len(people):
                    await before.rollback()
                else:
                    await self._give_back(tx, campaign_id, due, token)
                await self._wait_for_slot(tx, account, campaign_id)
                return len(due) < len(people)
            await self._give_back(tx, campaign_id, due[len(found) :], token)
            attempts = await self._write(
                tx, account, campaign_id, list(zip(due, found, strict=False)), token, text
            )
        await fly(self._rt, self._twilio, account.access, attempts)
        return True

    async def _claim(self, tx: Tx, account: Account, campaign_id: UUID, token: UUID) -> list[Person]:
        now, most = self._rt.clock.now(), slots.most(len(account.senders), account.rate)
        return await recipients.claim(tx, tx.tenant, campaign_id, token, self._lease, now, most)

    async def _due(
        self, tx: Tx, account: Account, campaign_id: UUID, people: Sequence[Person], token: UUID
    ) -> list[Person]:
        """Without who gets nothing now: not any more, or not before their quiet hours end."""
        now = self._rt.clock.now()
        due: list[Person] = []
        asleep: dict[datetime, list[UUID]] = {}
        for person in people:
            contact_id, why = person["contact_id"], person["blocked"]
            if why is not None:
                await recipients.skip(tx, tx.tenant, campaign_id, contact_id, token, why, now)
            elif (until := account.wait_until(now, person["phone"], person["time_zone"])) is not None:
                asleep.setdefault(until, []).append(contact_id)
            else:
                due.append(person)
        for until, contacts in asleep.items():
            await recipients.release(tx, tx.tenant, campaign_id, contacts, token, until)
        return due

    async def _give_back(self, tx: Tx, campaign_id: UUID, people: Sequence[Person], token: UUID) -> None:
        if people:
            contacts = [person["contact_id"] for person in people]
            await recipients.release(tx, tx.tenant, campaign_id, contacts, token, None)

    async def _write(
        self,
        tx: Tx,
        account: Account,
        campaign_id: UUID,
        batch: Sequence[tuple[Person, Slot]],
        token: UUID,
        text: Texts,
    ) -> list[tuple[Attempt, float]]:
        """Texts on record as being attempted, and when they may leave; without those that cannot be made."""
        rows, attempts, faulty = [], [], []
        until = self._rt.clock.now() + timedelta(seconds=self._lease)
        for person, slot in batch:
            body, fault = _filled(text, person)
            row = _row(account, campaign_id, person, slot.sender, body)
            rows.append(row | {"lease_token": token, "lease_until": until})
            attempt = Attempt(
                tx.tenant,
                row["id"],
                token,
                person["attempts"],
                slot.sender,
                person["phone"],
                body,
                campaign_id,
            )
            if fault is None:
                attempts.append((attempt, slot.wait))
            else:
                faulty.append(Outcome(attempt, Meaning("failed", "render", fault[:300])))
        if rows:
            await settling.insert(tx, tx.tenant, rows)
            await settle(tx, self._rt, faulty)
        return attempts

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
                await pause(tx, self._rt, campaign_id, f"cannot be rendered: {error.message}")
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


def _filled(text: Texts, person: Person) -> tuple[str, str | None]:
    """The words for one person, or why there are none."""
    try:
        return text.fill(person["language"], person), None
    except RenderError as error:
        return "", str(error)


def _row(account: Account, campaign_id: UUID, person: Person, sender: str, body: str) -> dict[str, Any]:
    number = segments.count(body).segments
    return {
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
    }
