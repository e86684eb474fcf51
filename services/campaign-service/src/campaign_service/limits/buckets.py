"""Token buckets, without a database."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, Self

Scope = Literal["tenant", "domain", "ip_pool", "mailbox_provider"]


@dataclass(frozen=True, slots=True)
class Bucket:
    """`per_minute` mails on the long run, `burst` at once; `tokens` are those there were at `refilled_at`."""

    scope: Scope
    name: str
    per_minute: float
    burst: int
    tokens: float
    refilled_at: datetime

    def at(self, now: datetime) -> Self:
        """Refilled up to `now`; a clock that went back takes nothing away."""
        passed = (now - self.refilled_at).total_seconds()
        if passed <= 0:
            return self
        tokens = min(float(self.burst), self.tokens + passed * self.per_minute / 60)
        return replace(self, tokens=tokens, refilled_at=now)

    @property
    def room(self) -> int:
        """Mails that may go now."""
        # A sum of parts of a token comes to a hair less than the whole.
        return max(0, math.floor(self.tokens + 1e-6))

    def less(self, mails: int) -> Self:
        return replace(self, tokens=self.tokens - mails)

    def next_at(self, late: int) -> datetime:
        """When the last of so many late mails can go."""
        return self.refilled_at + timedelta(seconds=max(1.0, (late - self.tokens) * 60 / self.per_minute))
