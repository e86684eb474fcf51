"""Shapes of the webhook history."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

EventStatus = Literal["received", "conflict", "rejected", "failed"]


class WebhookEventOut(BaseModel):
    """One delivery. `repeats` counts equal ones that came later.

    One that was `rejected` at the door, or that `failed` in the service it is for, says why in `error`.
    """

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
    """A webhook that was taken in. `id` is ours, as in `/webhook-events`; `event_id` and `event_type` are the
    sender's, where it tells them. `processed_at` is null and `error_message` says why while it has failed.
    """

    id: UUID
    event_id: str
    event_type: str
    source: str
    status: Literal["received", "failed"]
    received_at: datetime
    processed_at: datetime | None
    error_message: str | None


class ProcessedWebhooks(BaseModel):
    webhooks: list[ProcessedWebhook]
