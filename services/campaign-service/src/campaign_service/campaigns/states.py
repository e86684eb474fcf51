"""What may be done with a campaign, and what it then becomes."""

from __future__ import annotations

from typing import Literal, get_args

from shared.errors import ConflictError

Status = Literal["draft", "scheduled", "sending", "paused", "sent", "partially_failed", "cancelled"]
Action = Literal["edit", "delete", "schedule", "unschedule", "send", "pause", "resume", "cancel", "retry"]
RecipientState = Literal[
    "queued",
    "leased",
    "attempting",
    "accepted",
    "delivered",
    "bounced_hard",
    "bounced_soft",
    "complained",
    "failed_retry",
    "failed",
    "ambiguous",
    "skipped",
    "cancelled",
]

STATUSES: tuple[Status, ...] = get_args(Status)
RECIPIENT_STATES: tuple[RecipientState, ...] = get_args(RecipientState)
# A campaign is over only when no recipient is in one of these.
OPEN_STATES: tuple[RecipientState, ...] = ("queued", "leased", "attempting", "failed_retry")

# `edit` and `delete` keep or remove the campaign; they lead to no other status.
_ALLOWED: dict[Action, tuple[frozenset[Status], Status | None]] = {
    "edit": (frozenset({"draft", "scheduled"}), None),
    "delete": (frozenset({"draft", "scheduled", "cancelled"}), None),
    "schedule": (frozenset({"draft", "scheduled"}), "scheduled"),
    "unschedule": (frozenset({"scheduled"}), "draft"),
    "send": (frozenset({"draft", "scheduled"}), "sending"),
    "pause": (frozenset({"sending"}), "paused"),
    "resume": (frozenset({"paused"}), "sending"),
    "cancel": (frozenset({"draft", "scheduled", "sending", "paused"}), "cancelled"),
    "retry": (frozenset({"sent", "partially_failed"}), "sending"),
}


class CampaignStateError(ConflictError):
    """The campaign's status does not allow the action; `details` names the status and those that would."""

    code = "CAMPAIGN_STATE"


def next_status(current: Status, action: Action) -> Status:
    """The status after `action`; `CampaignStateError` when it is not allowed now."""
    allowed, target = _ALLOWED[action]
    if current not in allowed:
        raise CampaignStateError(
            f"Cannot {action} a campaign whose status is {current}",
            details={"status": current, "action": action, "allowed_from": sorted(allowed)},
        )
    return target or current
