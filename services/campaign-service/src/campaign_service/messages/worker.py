"""The lane of single messages: a few connections of its own, so that no campaign is ever before them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from datetime import UTC, datetime
from typing import assert_never
from uuid import UUID

from campaign_service.attachments.repository import Owner
from campaign_service.attachments.service import files
from campaign_service.channels.outlets import TenantOutlet
from campaign_service.dkim.mails import signed_mail
from campaign_service.messages import repository
from campaign_service.messages.mime import outgoing
from campaign_service.messages.references import unsubscribing
from campaign_service.messages.repository import Waiting
from campaign_service.messages.service import wake_of
from campaign_service.rendering import OutgoingMail, RenderError
from campaign_service.sending.outcomes import Accepted, Ambiguous, NotSent, Outcome, Rejected
from campaign_service.sending.replies import Reply
from campaign_service.sending.smtp import SmtpConnection, SmtpError, SmtpSettings, Timeouts
from campaign_service.settings import settings_of, site_of
from campaign_service.suppressions import repository as suppressions
from campaign_service.suppressions.repository import NewSuppression
from shared.database import Tx
from shared.errors import BusinessRuleError
from shared.events import Event, new_event
from shared.utils import logger, uuid7
from shared.web import Runtime

CONNECTIONS = 4
POLL_SECONDS = 0.5
_STUMBLE_SECONDS = 1.0
#: Waits before the next attempt; after the last one the message has failed.
RETRY_SECONDS = (2.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0)
_TIMEOUTS = Timeouts(connect=10.0, greeting=20.0, command=20.0, content=60.0)
#: Longer than an attempt can take, so that a live worker's claim is never taken for a dead one's.
_LEASE_SECONDS = 180.0
_DETAIL = 300
_KEPT_OUTLETS = 1000
_REFUSED = {"user_unknown": "bounced_hard", "mailbox": "bounced_soft", "policy": "failed"}


async def run(rt: Runtime, stop: asyncio.Event) -> None:
    """Send single messages of all tenants until `stop`."""
    settings = settings_of(rt)
    server = SmtpSettings.from_url(
        settings.smtp_url.get_secret_value(), helo=settings.mail_domain, timeouts=_TIMEOUTS
    )
    lanes = [Lane(rt, server, stop) for _ in range(CONNECTIONS)]
    await asyncio.gather(_wake_at_stop(rt, stop), *(lane.run() for lane in lanes))


async def _wake_at_stop(rt: Runtime, stop: asyncio.Event) -> None:
    await stop.wait()
    wake_of(rt).set()


class Lane:
    """One connection's worth of sending, one message after the other."""

    def __init__(self, rt: Runtime, server: SmtpSettings, stop: asyncio.Event) -> None:
        self._rt = rt
        self._server = server
        self._stop = stop
        self._connection: SmtpConnection | None = None
        self._outlets: OrderedDict[UUID, TenantOutlet] = OrderedDict()

    async def run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    worked = await self.work_once()
                except Exception as error:  # noqa: BLE001  # whatever ails the database, sending goes on after it
                    logger.warning("sending a message stumbled; it goes on", error=error)
                    await asyncio.sleep(_STUMBLE_SECONDS)
                    continue
                if not worked:
                    await self._idle()
        finally:
            await self._hang_up()

    async def work_once(self) -> bool:
        """Send one message; False when none is due."""
        async with self._rt.db.system_tx() as tx:
            message = await repository.claim(tx, uuid7(), _LEASE_SECONDS)
        if message is None:
            return False
        if message.row["purpose"] == "marketing" and await self._is_held_back(message):
            return True
        outcome = await self._attempt(message)
        async with self._rt.db.tenant_tx(message.tenant_id) as tx:
            await settle(tx, self._rt, message, outcome)
        return True

    async def _is_held_back(self, message: Waiting) -> bool:
        """Whether they asked for no more while the mail waited; then it is skipped."""
        async with self._rt.db.tenant_tx(message.tenant_id) as tx:
            reason = await suppressions.suppressed_reason(
                tx, message.tenant_id, message.row["recipient_email"]
            )
            if reason is not None:
                await repository.skip(tx, message.tenant_id, message.id, reason)
        return reason is not None

    async def _attempt(self, message: Waiting) -> Outcome:
        try:
            mail = await self._mail(message)
        except (RenderError, BusinessRuleError) as error:
            return Rejected(Reply(553, f"5.6.0 {error}"), "rcpt")
        return await self._deliver(message, mail)

    async def _mail(self, message: Waiting) -> OutgoingMail:
        async with self._rt.db.tenant_tx(message.tenant_id, read_only=True) as tx:
            carried = await files(tx, [Owner(message_id=message.id)])
            site, lines = site_of(self._rt), list[str]()
            if message.row["purpose"] == "marketing":
                lines = unsubscribing(site, message.tenant_id, message.id)
            mail = outgoing(
                message.id, message.row, site.mail_domain, message.possible_repeats, carried, lines
            )
            return await signed_mail(tx, self._rt, message.row["from_email"], mail)

    async def _deliver(self, message: Waiting, mail: OutgoingMail) -> Outcome:
        own = self._outlet(message.tenant_id)
        if await own.has_providers():
            return await _by(own, mail, self._stop)
        fresh = self._connection is None or not self._connection.usable
        try:
            if fresh:
                self._connection = await SmtpConnection.open(self._server)
        except SmtpError as error:
            self._connection = None
            return NotSent(str(error), tried=True)
        assert self._connection is not None
        (outcome,) = await self._connection.send([mail])
        if isinstance(outcome, NotSent) and not fresh:
            # A connection kept from the message before may have been closed meanwhile; that says nothing.
            await self._hang_up()
            return await self._deliver(message, mail)
        return outcome

    def _outlet(self, tenant_id: UUID) -> TenantOutlet:
        outlet = self._outlets.setdefault(tenant_id, TenantOutlet(self._rt, tenant_id))
        if len(self._outlets) > _KEPT_OUTLETS:
            self._outlets.popitem(last=False)
        return outlet

    async def _idle(self) -> None:
        await self._hang_up()
        wake = wake_of(self._rt)
        with suppress(TimeoutError):
            await asyncio.wait_for(wake.wait(), POLL_SECONDS)
        wake.clear()

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.quit()


async def _by(outlet: TenantOutlet, mail: OutgoingMail, stop: asyncio.Event) -> Outcome:
    """One mail by the tenant's own providers. What is not sent goes by the next at its next attempt."""
    connection = await outlet.connect(stop)
    if connection is None:
        return NotSent("none of the tenant's providers can be reached", tried=True)
    try:
        outcomes = [outcome async for outcome in connection.stream(iter((mail,)))]
        outcome = outcomes[0] if outcomes else NotSent("the connection ended before the mail", tried=False)
        answered = isinstance(outcome, Accepted | Rejected)
        await outlet.heard(connection, answered=answered, turned_away=False)
    finally:
        await connection.quit()
    return outcome


async def settle(tx: Tx, rt: Runtime, message: Waiting, outcome: Outcome) -> None:
    """Write what became of an attempt, and tell the others."""
    state, code, detail = meaning(message, outcome)
    retry = RETRY_SECONDS[message.attempts - 1] if state == "failed_retry" else None
    if not await repository.record(tx, message, state, code, detail, retry):
        logger.warning("a message was claimed again before its outcome was known", message_id=str(message.id))
        return
    if state == "bounced_hard":
        address = str(message.row["recipient_email"])
        new = NewSuppression(address, "hard_bounce", detail=detail, source="message")
        await suppressions.add_many(tx, message.tenant_id, [new])
    event = _event(message, state, code, detail)
    if event is not None:
        await rt.events.publish(tx, event)


def meaning(message: Waiting, outcome: Outcome) -> tuple[str, str | None, str | None]:
    """The new state with code and detail; what can be tried again is, until the waits are used up."""
    again = "failed_retry" if message.attempts <= len(RETRY_SECONDS) else "failed"
    match outcome:
        case Accepted(reply):
            return "accepted", reply.enhanced or str(reply.code), str(reply)
        case Rejected(reply):
            state = again if outcome.kind == "retry" else _REFUSED.get(outcome.kind, "failed")
            return state, reply.enhanced or str(reply.code), str(reply)
        case NotSent(reason):
            return again, "connection", reason[:_DETAIL]
        case Ambiguous(reason):
            return "ambiguous", "no_answer", reason[:_DETAIL]
        case _:
            assert_never(outcome)


def _event(message: Waiting, state: str, code: str | None, detail: str | None) -> Event | None:
    data = {
        "message_id": str(message.id),
        "recipient": message.row["recipient_email"],
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    if state == "accepted":
        kind, data["reply"] = "sent", detail
    elif state in ("bounced_hard", "bounced_soft"):
        kind = "bounced"
        data |= {"kind": state.removeprefix("bounced_"), "status": code, "diagnostic": detail}
    elif state == "failed":
        kind = "failed"
        data |= {"reason": detail or "refused", "status": code}
    else:
        return None
    return new_event(
        f"campaign.message.{kind}.v1", data, tenant_id=message.tenant_id, subject=str(message.id)
    )
