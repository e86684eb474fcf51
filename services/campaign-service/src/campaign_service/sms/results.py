"""What has become of a text, told to everybody it concerns, in one transaction."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from campaign_service.sms import outcomes, recipients, repository
from campaign_service.sms.outcomes import Meaning
from campaign_service.sms.repository import Attempt
from campaign_service.suppressions import repository as suppressions
from campaign_service.suppressions.repository import NewSuppression
from shared.database import Tx
from shared.events import Event, new_event
from shared.web import Runtime

_ADOPTED_WITHIN = timedelta(hours=24)
_EVENTS = {
    "accepted": "sent",
    "delivered": "delivered",
    "bounced_hard": "bounced",
    "bounced_soft": "bounced",
    "failed": "failed",
}


async def settle(tx: Tx, rt: Runtime, attempt: Attempt, meaning: Meaning) -> bool:
    """The outcome of an attempt, and reports that came before it; False when the claim was lost."""
    if meaning.sid is not None:
        await repository.lock_sid(tx, meaning.sid)
    again = meaning.retry is not None and attempt.campaign_id is not None
    # A campaign's next attempt is a text of its own, made when the recipient is claimed again.
    written = replace(meaning, status="failed") if again else meaning
    row = await repository.record(tx, attempt, written, outcomes.rank(meaning.provider_status))
    if row is None:
        return False
    if again:
        row["next_attempt_at"] = rt.clock.now() + timedelta(seconds=meaning.retry or 0)
        await recipients.move(tx, attempt.tenant_id, row, "failed_retry", rt.clock.now())
        return True
    await spread(tx, rt, row)
    if meaning.sid is not None:
        for status, code in await repository.take_early(tx, attempt.tenant_id, meaning.sid):
            await apply_report(tx, rt, meaning.sid, status, code)
    return True


async def report(tx: Tx, rt: Runtime, sid: str, to: str | None, status: str, code: str | None) -> None:
    """A status callback. Older than what is known: nothing. Of a text not known (yet): kept a while."""
    await repository.lock_sid(tx, sid)
    if await apply_report(tx, rt, sid, status, code):
        return
    since = rt.clock.now() - _ADOPTED_WITHIN
    if to and await repository.adopt_ambiguous(tx, tx.tenant, sid, to, since):
        await apply_report(tx, rt, sid, status, code)
        return
    await repository.keep_early(tx, tx.tenant, sid, status, code)


async def apply_report(tx: Tx, rt: Runtime, sid: str, status: str, code: str | None) -> bool:
    """Write what is said of a text whose sid is locked; whether there is such a text."""
    row, known = await repository.report(
        tx, tx.tenant, sid, outcomes.reported(status), status, outcomes.rank(status), code
    )
    if row is not None:
        await spread(tx, rt, row)
    return known


async def spread(tx: Tx, rt: Runtime, row: dict[str, Any]) -> None:
    """A text's new status to its recipient, figures, history, suppressions and listeners."""
    state = outcomes.recipient_state(row["status"], row["error_code"])
    tenant_id: UUID = row["tenant_id"]
    if row["campaign_id"] is not None:
        now = rt.clock.now()
        if not await recipients.move(tx, tenant_id, row, state, now):
            return
        await recipients.add_event(tx, tenant_id, row, state, _dedupe(row, state), now)
    if row["message_id"] is not None:
        single = "queued" if state == "failed_retry" else state
        await repository.set_message_state(
            tx, tenant_id, row["message_id"], single, row["error_code"], row["error_detail"]
        )
    await _suppress(tx, rt, row)
    await _publish(tx, rt, row, state)


def fact_of(row: dict[str, Any], state: str) -> tuple[dict[str, Any], bytes]:
    """What a contact's record says of a text, and the key by which it says so once."""
    return recipients.detail_of(row), _dedupe(row, state)


def _dedupe(row: dict[str, Any], state: str) -> bytes:
    return hashlib.sha256(f"sms|{row['id']}|{row['attempts']}|{state}".encode()).digest()


async def _suppress(tx: Tx, rt: Runtime, row: dict[str, Any]) -> None:
    if row["status"] not in ("undelivered", "failed"):
        return
    code, to = row["error_code"], row["customer_phone"]
    reason = outcomes.suppression_reason(code)
    expires = None
    if reason is None and code in outcomes.SOFT:
        failed = await repository.recent_soft(
            tx, row["tenant_id"], to, sorted(outcomes.SOFT), outcomes.SOFT_WINDOW
        )
        if failed >= outcomes.SOFT_LIMIT:
            reason, expires = "soft_bounces", rt.clock.now() + outcomes.SOFT_REST
    if reason is not None:
        new = NewSuppression(
            to, reason, channel="sms", detail=f"error {code}", source="twilio", expires_at=expires
        )
        await suppressions.add_many(tx, row["tenant_id"], [new])


async def _publish(tx: Tx, rt: Runtime, row: dict[str, Any], state: str) -> None:
    if state in _EVENTS:
        await rt.events.publish(tx, event_of(rt, row, state))


def event_of(rt: Runtime, row: dict[str, Any], state: str) -> Event:
    """What others are told of a text in one of the states that they hear of."""
    kind = _EVENTS[state]
    data: dict[str, Any] = {
        "message_id": str(row["message_id"] or row["id"]),
        "campaign_id": row["campaign_id"],
        "contact_id": row["contact_id"],
        "channel": "sms",
        "recipient": row["customer_phone"],
        "occurred_at": rt.clock.now(),
    }
    if kind == "bounced":
        data |= {"kind": state.removeprefix("bounced_"), "status": row["error_code"]}
    elif kind == "failed":
        data |= {"reason": row["error_detail"] or "failed", "status": row["error_code"]}
    return new_event(
        f"campaign.message.{kind}.v1", data, tenant_id=row["tenant_id"], subject=data["message_id"]
    )
