"""A provider as it is stored, with its secret opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Kind = Literal["smtp", "powermta-http", "mailwizz", "messenger"]
Circuit = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class Provider:
    """`settings` are those of its kind in `schemas`; `retry_at`: when an open circuit may be tried again."""

    tenant_id: UUID
    id: UUID
    name: str
    kind: Kind
    settings: dict[str, Any]
    secret: str | None = field(default=None, repr=False)
    circuit: Circuit = "closed"
    failures: int = 0
    retry_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether mail may go there: its circuit is closed, or it is time to try again."""
        return self.circuit == "closed" or (self.retry_at is not None and self.retry_at <= now)

    @property
    def ip_pool(self) -> str:
        """The name under which warm-up counts it; '' without one."""
        return self.settings.get("ip_pool") or self.settings.get("virtual_mta") or ""
