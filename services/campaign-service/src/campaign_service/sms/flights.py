"""The requests of a batch: made together, and their outcomes written together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from campaign_service.campaigns import repository as campaigns
from campaign_service.sms import outcomes
from campaign_service.sms.outcomes import Meaning
from campaign_service.sms.repository import Attempt
from campaign_service.sms.settling.service import Outcome, settle
from campaign_service.sms.twilio import Access, Twilio
from shared.database import Tx
from shared.utils import logger
from shared.web import Runtime

# After so long what was answered is written, though other requests of the batch were not.
_PATIENCE_SECONDS = 1.0
#: An outcome, and the loop's time at which it was heard.
Heard = tuple[Outcome, float]


async def fly(rt: Runtime, twilio: Twilio, access: Access, attempts: Iterable[tuple[Attempt, float]]) -> None:
    """Make the requests, each when its number of seconds has passed, and write what became of them.

    What cannot be written is raised once all were answered: it stays in flight, and becomes ambiguous.
    """
    pending = {asyncio.create_task(_send(twilio, access, *one)) for one in attempts}
    failures: list[BaseException] = []
    try:
        while pending:
            done, pending = await asyncio.wait(pending, timeout=_PATIENCE_SECONDS)
            failures += [error for task in done if (error := task.exception()) is not None]
            failures += await _write(rt, [task.result() for task in done if task.exception() is None])
    finally:
        for task in pending:
            task.cancel()
    if failures:
        raise failures[0]


async def _send(twilio: Twilio, access: Access, attempt: Attempt, wait: float) -> Heard:
    if wait:
        await asyncio.sleep(wait)
    outcome = await twilio.send(access, attempt.sender, attempt.to, attempt.body)
    return Outcome(attempt, outcomes.meaning(outcome, attempt.attempts)), asyncio.get_running_loop().time()


async def _write(rt: Runtime, heard: Sequence[Heard]) -> list[Exception]:
    """Together, or else one by one; what went wrong with those that could not be written at all."""
    now = asyncio.get_running_loop().time()
    found = [replace(outcome, age=max(0.0, now - at)) for outcome, at in heard]
    try:
        if found:
            await _settle(rt, found)
    except Exception as error:  # noqa: BLE001  # whatever ails one of them, the others are written
        return [error] if len(found) == 1 else await _write_singly(rt, found, error)
    return []


async def _write_singly(rt: Runtime, found: Sequence[Outcome], error: Exception) -> list[Exception]:
    logger.warning("outcomes of texts could not be written together", error=error)
    failures = []
    for one in found:
        try:
            await _settle(rt, [one])
        except Exception as failure:  # noqa: BLE001  # as above
            failures.append(failure)
    return failures


async def _settle(rt: Runtime, found: Sequence[Outcome]) -> None:
    refused = next((one for one in found if _is_refused_account(one)), None)
    async with rt.db.tenant_tx(found[0].attempt.tenant_id) as tx:
        if refused is not None and refused.attempt.campaign_id is not None:
            reason = f"the SMS account was refused ({refused.meaning.code}): {refused.meaning.detail}"
            await pause(tx, rt, refused.attempt.campaign_id, reason)
        await settle(tx, rt, [_again(one) if _is_refused_account(one) else one for one in found])


def _is_refused_account(one: Outcome) -> bool:
    return one.meaning.code in outcomes.ACCOUNT_FAULTS and one.attempt.campaign_id is not None


def _again(one: Outcome) -> Outcome:
    """What was refused for the account's sake is tried again once the campaign goes on."""
    code, detail = one.meaning.code, one.meaning.detail
    return replace(one, meaning=Meaning("queued", code, detail, retry=outcomes.RETRY_SECONDS[0]))


async def pause(tx: Tx, rt: Runtime, campaign_id: UUID, reason: str) -> None:
    """Hold a campaign that cannot go on, with the reason."""
    await campaigns.set_status(tx, tx.tenant, campaign_id, "paused", rt.clock.now(), reason)
    logger.warning("SMS campaign paused", campaign_id=str(campaign_id), reason=reason)
