"""Shapes of the webhook history."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

EventStatus = Literal["received", "conflict", "rejected"]


class WebhookEventOut(BaseModel):
    """One delivery. `repeats` counts equal ones that came later; a rejected one says why in `error`."""

    id: UUID
    source_id: UUID
    type: str
    status: EventStatus
    content_type: str
    bytes: int
    received_at: datetime
    error_code: str | None
    error: str | None
    conflict_of: UUID | None
    repeats: int
    last_repeat_at: datetime | None
    replays: int
    last_replayed_at: datetime | None


class WebhookEventDetail(WebhookEventOut):
    """With what was sent: `body` as text, or `body_base64` when it is none."""

    headers: dict[str, Any]
    body: str | None
    body_base64: str | None


class ReplayOut(BaseModel):
    """`event_id` is the id of the new event, `replay_of` the webhook it repeats."""

    event_id: UUID
    replay_of: UUID


class ProcessedWebhook(BaseModel):
    event_id: UUID
    event_type: str
    source: str
    processed_at: datetime


class ProcessedWebhooks(BaseModel):
    webhooks: list[ProcessedWebhook]
