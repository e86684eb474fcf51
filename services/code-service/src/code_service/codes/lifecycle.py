"""What may happen to a code.

    available ──allocate──► allocated ──mark_used──► used ──rollback──► allocated
        │  └──reserve──► reserved ──(release, or its time is over)──► available
        └──(expires_at passed)──► expired          available, reserved, allocated, expired ──revoke──► revoked

Webhooks never use up a code: only these transitions do. How far the ticket shop knows the code is another
axis (`sync_state`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from code_service.errors import CodeAlreadyUsedError, CodeExpiredError, CodeRevokedError, CodeStateError

Status = Literal["available", "reserved", "allocated", "used", "revoked", "expired"]
Action = Literal["mark_used", "release", "revoke", "rollback"]


@dataclass(frozen=True, slots=True)
class Transition:
    """From which statuses an action leads to which."""

    sources: frozenset[Status]
    target: Status


TRANSITIONS: Mapping[Action, Transition] = {
    "mark_used": Transition(frozenset(("available", "reserved", "allocated")), "used"),
    "release": Transition(frozenset(("reserved", "allocated")), "available"),
    "revoke": Transition(frozenset(("available", "reserved", "allocated", "expired")), "revoked"),
    "rollback": Transition(frozenset(("used",)), "allocated"),
}

_REFUSALS: Mapping[Status, type[CodeStateError]] = {
    "used": CodeAlreadyUsedError,
    "revoked": CodeRevokedError,
    "expired": CodeExpiredError,
}


def status_at(row: Mapping[str, Any], now: datetime) -> Status:
    """The status at a time: dates work at once, though the sweeper writes their effect a little later."""
    status: Status = row["status"]
    if status == "reserved" and row["reserved_until"] <= now:
        status = "available"
    if status in ("available", "expired") and row["expires_at"] is not None and row["expires_at"] <= now:
        return "expired"
    return "available" if status == "expired" else status


def check(action: Action, row: Mapping[str, Any], now: datetime) -> Transition:
    """The transition for a code; raises a `CodeStateError` when its status does not allow it."""
    status = status_at(row, now)
    transition = TRANSITIONS[action]
    expired = row["expires_at"] is not None and row["expires_at"] <= now
    if status in transition.sources and not (action == "mark_used" and expired):
        return transition
    kind = _REFUSALS.get("expired" if expired and status in transition.sources else status, CodeStateError)
    verb = action.replace("_", " ")
    raise kind(f"The code is {status}: {verb} is not possible", details={"status": status})
