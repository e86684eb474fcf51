"""Shapes of the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class AuditEntry(BaseModel):
    """`changes` holds new values, or pairs of old and new."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    at: datetime
    action: str
    actor_kind: str
    actor_id: str | None
    target_kind: str
    target_id: str | None
    ip: str | None
    user_agent: str | None
    request_id: str | None
    changes: dict[str, Any]
