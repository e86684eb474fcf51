"""The outcomes of a batch in one transaction: what went as it should all together, the rest one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from campaign_service.sms import outcomes, results
from campaign_service.sms.outcomes import Meaning
from campaign_service.sms.repository import Attempt
from shared.database import Tx
from shared.utils import logger
from shared.web import Runtime

from . import repository


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt, `age` seconds ago."""

    attempt: Attempt
    meaning: Meaning
    age: float = 0.0

    @property
    def is_plain(self) -> bool:
        """A text of a campaign that the provider has taken."""
        return (
            self.meaning.status == "sent"
            and self.meaning.sid is not None
            and self.attempt.campaign_id is not None
        )


async def settle(tx: Tx, rt: Runtime, found: Sequence[Outcome]) -> None:
    """Write outcomes, all of one tenant and, but for single texts, of one campaign."""
    await repository.lock_sids(tx, sorted({one.meaning.sid for one in found if one.meaning.sid is not None}))
    plain = [one for one in found if one.is_plain]
    if plain:
        await _accept(tx, rt, plain)
    for one in found:
        if not one.is_plain and not await results.settle(tx, rt, one.attempt, one.meaning):
            _lost(one.attempt)


async def _accept(tx: Tx, rt: Runtime, plain: Sequence[Outcome]) -> None:
    campaign_id, now = plain[0].attempt.campaign_id, rt.clock.now()
    assert campaign_id is not None, "these are a campaign's"
    rows = await repository.record(tx, tx.tenant, [_row(one) for one in plain])
    there = {row["id"] for row in rows}
    for one in plain:
        if one.attempt.id not in there:
            _lost(one.attempt)
    moved = await repository.accept(tx, tx.tenant, campaign_id, [row["contact_id"] for row in rows], now)
    sent = [row for row in rows if row["contact_id"] in moved]
    if sent:
        facts = [(row["contact_id"], *results.fact_of(row, "accepted")) for row in sent]
        await repository.add_events(tx, tx.tenant, campaign_id, facts, now)
        await rt.events.publish_many(tx, [results.event_of(rt, row, "accepted") for row in sent])
    await _early(tx, rt, [row["provider_sid"] for row in rows])


async def _early(tx: Tx, rt: Runtime, sids: Sequence[str]) -> None:
    for sid, status, code in await repository.take_early(tx, tx.tenant, sids):
        await results.apply_report(tx, rt, sid, status, code)


def _row(one: Outcome) -> dict[str, Any]:
    attempt, meaning = one.attempt, one.meaning
    return {
        "id": attempt.id,
        "token": attempt.token,
        "sid": meaning.sid,
        "provider_status": meaning.provider_status,
        "sender": meaning.sender,
        "rank": outcomes.rank(meaning.provider_status),
        "age": one.age,
    }


def _lost(attempt: Attempt) -> None:
    text_id: UUID = attempt.id
    logger.warning("a text was given up before its outcome was known", text_id=str(text_id))
