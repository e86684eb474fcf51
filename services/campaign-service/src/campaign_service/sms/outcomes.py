"""What a provider's word means for a text, its recipient and the address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from campaign_service.sms.twilio import NotSent, Outcome, Refused, Taken, Unknown

Status = Literal["queued", "sent", "delivered", "undelivered", "failed", "ambiguous", "skipped"]

#: A later word with a lower rank is old news: what ended stays ended.
RANKS = {
    "accepted": 1,
    "scheduled": 1,
    "queued": 2,
    "sending": 3,
    "sent": 4,
    "delivered": 6,
    "undelivered": 6,
    "failed": 6,
    "canceled": 6,
    "read": 7,
    "partially_delivered": 5,
}
_STATUSES: dict[str, Status] = {
    "delivered": "delivered",
    "read": "delivered",
    "partially_delivered": "sent",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "failed",
}
OPTED_OUT = "21610"
#: Error codes after which a number is not texted again, and the reason of its suppression.
_HARD = {
    OPTED_OUT: "unsubscribed",
    "21211": "invalid",
    "21614": "invalid",
    "30005": "invalid",
    "30006": "invalid",
    "30004": "hard_bounce",
}
#: The handset may come back: after several of these in a row the number rests for a while.
SOFT = frozenset({"30003", "30008", "30009", "30010"})
SOFT_LIMIT = 3
SOFT_WINDOW = timedelta(days=30)
SOFT_REST = timedelta(days=30)
#: What is wrong with the account or the sender, not with this text: everything waits.
ACCOUNT_FAULTS = frozenset({"20003", "20005", "21603", "21606", "21659", "21660", "30002"})
RETRY_SECONDS = (5.0, 30.0, 120.0, 600.0, 1800.0)


@dataclass(frozen=True, slots=True)
class Meaning:
    """The new status; `retry` in seconds when it is tried again."""

    status: Status
    code: str | None = None
    detail: str | None = None
    sid: str | None = None
    provider_status: str | None = None
    sender: str | None = None
    retry: float | None = None


def meaning(outcome: Outcome, attempts: int) -> Meaning:
    """What became of attempt number `attempts` (from 1)."""
    retry = RETRY_SECONDS[attempts - 1] if attempts <= len(RETRY_SECONDS) else None
    match outcome:
        case Taken():
            status = _STATUSES.get(outcome.status, "sent")
            return Meaning(status, sid=outcome.sid, provider_status=outcome.status, sender=outcome.sender)
        case Refused(passing=True) if retry is not None:
            return Meaning("queued", outcome.code, outcome.message, retry=retry)
        case Refused():
            return Meaning("failed", outcome.code, outcome.message)
        case NotSent() if retry is not None:
            return Meaning("queued", "connection", outcome.reason, retry=retry)
        case NotSent():
            return Meaning("failed", "connection", outcome.reason)
        case Unknown():
            return Meaning("ambiguous", "no_answer", outcome.reason)


def reported(status: str) -> Status:
    """Our status for a provider's; everything before the end is `sent`."""
    return _STATUSES.get(status, "sent")


def rank(status: str | None) -> int:
    return RANKS.get(status or "", 0)


def suppression_reason(code: str | None) -> str | None:
    """Why a number must not be texted again after this error; None when it may be."""
    return _HARD.get(code or "")


def recipient_state(status: Status, code: str | None) -> str:
    """The state of a campaign's recipient (and of a single message) for the status of their text."""
    if status in ("undelivered", "failed") and suppression_reason(code):
        return "bounced_hard"
    if status == "undelivered":
        return "bounced_soft"
    return {"sent": "accepted", "queued": "failed_retry"}.get(status, status)
