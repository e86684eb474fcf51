"""What the sender holds in memory between a claim and its record."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from campaign_service.rendering import Mails, Recipient

RecordedState = Literal[
    "queued", "accepted", "bounced_hard", "bounced_soft", "failed_retry", "failed", "ambiguous"
]


@dataclass(frozen=True, slots=True)
class Limits:
    """How the sender works; times in seconds.

    `window`: mails marked as in flight together by one connection; it marks the next ones while the last are
    being recorded, so at most `2 * connections * window` mails are in flight or unrecorded at any time.
    `connection_mails`: a connection is renewed after that many.
    """

    connections: int = 8
    batch: int = 500
    window: int = 25
    lease: float = 30.0
    retry_base: float = 60.0
    max_attempts: int = 5
    connection_mails: int = 2000


@dataclass(frozen=True, slots=True)
class CampaignKey:
    tenant_id: UUID
    campaign_id: UUID


@dataclass(frozen=True, slots=True)
class Claimed:
    """A leased recipient, with the number of attempts before this one."""

    recipient: Recipient
    attempts: int


@dataclass(slots=True)
class Window:
    """Leased recipients that one connection sends in a row. `deadline`: monotonic end of the lease."""

    key: CampaignKey
    token: UUID
    compiled: Mails
    rows: list[Claimed]
    deadline: float


@dataclass(frozen=True, slots=True)
class Result:
    """What is written about one attempt. `counts_attempt` is false when the mail's turn never came."""

    contact_id: UUID
    token: UUID
    email: str
    variant: int
    state: RecordedState
    counts_attempt: bool = True
    code: str | None = None
    detail: str | None = None
    next_attempt_at: datetime | None = None
    deferred: bool = False
    attempt: int = field(default=1)
