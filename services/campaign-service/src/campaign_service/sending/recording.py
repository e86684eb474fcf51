"""Outcomes to rows: what each means for the recipient, and the batches in which it is written."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, assert_never
from uuid import UUID

from campaign_service.rendering import Site
from campaign_service.suppressions import repository as suppressions
from campaign_service.suppressions.soft import suppress_streaks
from shared.database import Tx
from shared.events import Event, new_event
from shared.utils import logger, uuid7
from shared.web import Runtime

from . import repository
from .model import CampaignKey, Claimed, Limits, RecordedState, Result
from .outcomes import Accepted, Ambiguous, NotSent, Outcome, Rejected
from .replies import Kind

_REFUSED: dict[Kind, RecordedState] = {
    "user_unknown": "bounced_hard",
    "mailbox": "bounced_soft",
    "policy": "failed",
}


def result_of(claimed: Claimed, token: UUID, outcome: Outcome, limits: Limits, now: datetime) -> Result:
    """The new state of a recipient after an attempt."""
    recipient = claimed.recipient
    attempt = claimed.attempts + 1

    def made(state: RecordedState, code: str | None, detail: str | None, **more: Any) -> Result:
        return Result(
            recipient.contact_id,
            token,
            recipient.email,
            recipient.variant,
            state,
            code=code,
            detail=detail,
            attempt=attempt,
            **more,
        )

    def retried(code: str, detail: str, *, deferred: bool) -> Result:
        if attempt >= limits.max_attempts:
            return made("failed", code, detail, deferred=deferred)
        wait = limits.retry_base * 2 ** (attempt - 1) * random.uniform(0.9, 1.1)
        at = now + timedelta(seconds=wait)
        return made("failed_retry", code, detail, next_attempt_at=at, deferred=deferred)

    match outcome:
        case Accepted(reply):
            return made("accepted", reply.enhanced or str(reply.code), str(reply))
        case Rejected(reply):
            code = reply.enhanced or str(reply.code)
            if outcome.kind == "retry":
                return retried(code, str(reply), deferred=True)
            return made(_REFUSED.get(outcome.kind, "failed"), code, str(reply))
        case NotSent(reason, tried):
            if not tried:
                return made("queued", None, None, counts_attempt=False)
            return retried("connection", reason, deferred=False)
        case Ambiguous(reason):
            return made("ambiguous", "no_answer", reason)
        case _:
            assert_never(outcome)


def unsendable(claimed: Claimed, token: UUID, reason: str) -> Result:
    """A recipient whose mail could not be made."""
    recipient = claimed.recipient
    return Result(
        recipient.contact_id,
        token,
        recipient.email,
        recipient.variant,
        "failed",
        code="render",
        detail=reason[:300],
        attempt=claimed.attempts + 1,
    )


class Recorder:
    """Gathers results while the last batch is being written, then writes them in one go."""

    def __init__(self, runtime: Runtime, site: Site) -> None:
        self._runtime = runtime
        self._site = site
        self._pending: defaultdict[CampaignKey, list[Result]] = defaultdict(list)
        self._written = asyncio.get_running_loop().create_future()
        self._work = asyncio.Event()
        self._closing = False

    def add(self, key: CampaignKey, results: Sequence[Result]) -> asyncio.Future[None]:
        """Done when these results are committed."""
        self._pending[key].extend(results)
        self._work.set()
        return self._written

    def close(self) -> None:
        """`run` ends once everything given so far is written."""
        self._closing = True
        self._work.set()

    async def run(self) -> None:
        while not self._closing or self._pending:
            await self._work.wait()
            self._work.clear()
            batch, self._pending = self._pending, defaultdict(list)
            written, self._written = self._written, asyncio.get_running_loop().create_future()
            for key, results in batch.items():
                await self._write(key, results)
            written.set_result(None)

    async def _write(self, key: CampaignKey, results: list[Result]) -> None:
        delay = 0.1
        while True:
            try:
                async with self._runtime.db.tenant_tx(key.tenant_id) as tx:
                    return await write(tx, self._runtime, self._site, key, results)
            except Exception as error:  # noqa: BLE001  # what was sent must be written, whatever ails the database
                logger.warning("outcomes could not be written; trying again", mails=len(results), error=error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)


async def write(tx: Tx, runtime: Runtime, site: Site, key: CampaignKey, results: Sequence[Result]) -> None:
    """States, figures, events and suppressions of one campaign's results, in the caller's transaction."""
    now = runtime.clock.now()
    ours = await repository.record(tx, key, results, now)
    refused = [r for r in results if r.contact_id in ours and (r.deferred or r.state in _REFUSED.values())]
    if not refused:
        return
    await repository.add_events(tx, key, [_event_row(key, result) for result in refused], now)
    await suppressions.add_many(
        tx,
        key.tenant_id,
        [
            suppressions.NewSuppression(r.email, "hard_bounce", detail=r.detail, source="smtp")
            for r in refused
            if r.state == "bounced_hard"
        ],
    )
    full = [r.contact_id for r in refused if r.state == "bounced_soft"]
    if full:
        await suppress_streaks(tx, runtime, full, "smtp", now)
    facts = [_fact(key, site, result, now) for result in refused if result.state in _REFUSED.values()]
    await runtime.events.publish_many(tx, facts)


def _event_row(key: CampaignKey, result: Result) -> tuple[UUID, UUID, str, str | None, dict[str, Any], bytes]:
    kinds: dict[RecordedState, tuple[str, str | None]] = {
        "bounced_hard": ("bounced", "hard"),
        "bounced_soft": ("bounced", "soft"),
        "failed": ("failed", None),
    }
    kind, bounce_class = kinds.get(result.state, ("deferred", None))
    detail = {"record": "smtp", "status": result.code, "diagnostic": result.detail, "attempt": result.attempt}
    identity = f"smtp|{key.campaign_id}|{result.contact_id}|{result.token}|{kind}"
    dedupe = hashlib.sha256(identity.encode()).digest()
    return uuid7(), result.contact_id, kind, bounce_class, detail, dedupe


def _fact(key: CampaignKey, site: Site, result: Result, now: datetime) -> Event:
    ref = site.refs.make(key.campaign_id, result.contact_id, result.variant)
    data: dict[str, Any] = {
        "message_id": f"<{ref}@{site.mail_domain}>",
        "campaign_id": key.campaign_id,
        "contact_id": result.contact_id,
        "recipient": result.email,
        "occurred_at": now,
        "variant": result.variant,
        "status": result.code,
    }
    if result.state == "failed":
        kind, data["reason"] = "failed", result.detail or "failed"
    else:
        kind = "bounced"
        data |= {"kind": result.state.removeprefix("bounced_"), "diagnostic": result.detail}
    return new_event(
        f"campaign.message.{kind}.v1", data, tenant_id=key.tenant_id, subject=str(result.contact_id)
    )
