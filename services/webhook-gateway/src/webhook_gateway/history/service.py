"""Showing and replaying received webhooks."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

import orjson

from shared.database import Tx
from shared.errors import ConflictError, NotFoundError
from shared.events import EventBus, new_event
from shared.utils.clock import format_date
from webhook_gateway.history import repository
from webhook_gateway.history.schemas import (
    ProcessedWebhook,
    ReplayOut,
    WebhookEventDetail,
    WebhookEventOut,
)
from webhook_gateway.ingest.service import event_type


class NotReplayableError(ConflictError):
    code = "WEBHOOK_NOT_REPLAYABLE"


def summary(row: dict[str, Any]) -> WebhookEventOut:
    return WebhookEventOut.model_validate(_renamed(row))


def detail(row: dict[str, Any]) -> WebhookEventDetail:
    body: bytes = row["body"]
    try:
        text, encoded = body.decode("utf-8"), None
    except UnicodeDecodeError:
        text, encoded = None, base64.b64encode(body).decode()
    return WebhookEventDetail.model_validate(_renamed(row) | {"body": text, "body_base64": encoded})


def processed(row: dict[str, Any]) -> ProcessedWebhook:
    """A row of `repository.newest` as clients of the first version expect it."""
    event_id, event_type = _senders_words(row["body"])
    failed = row["status"] == "failed"
    return ProcessedWebhook(
        id=row["id"],
        event_id=event_id or str(row["id"]),
        event_type=event_type or f"webhook.{row['source_type']}.received",
        source=row["source_type"],
        status=row["status"],
        received_at=row["received_at"],
        processed_at=None if failed else row["received_at"],
        error_message=row["error"],
    )


def _senders_words(body: bytes | None) -> tuple[str | None, str | None]:
    """`event_id` and `event_type` of a JSON body, None for what it does not have."""
    try:
        value = orjson.loads(body or b"")
    except orjson.JSONDecodeError:
        return None, None
    if not isinstance(value, dict):
        return None, None
    event_id, kind = value.get("event_id"), value.get("event_type")
    known = isinstance(event_id, str | int) and not isinstance(event_id, bool)
    return str(event_id).strip()[:200] if known else None, kind[:200] if isinstance(kind, str) else None


async def replay(tx: Tx, bus: EventBus, tenant_id: UUID, event_id: UUID) -> ReplayOut:
    """Publish a received webhook once more, as a new event; one that had failed too.

    Raises `NotFoundError`, and `NotReplayableError` for one that was rejected or in conflict.
    """
    row = await repository.get(tx, tenant_id, event_id)
    if row is None:
        raise NotFoundError("No such webhook")
    if row["status"] not in ("received", "failed"):
        raise NotReplayableError(f"A webhook that was {row['status']} cannot be replayed")
    body: bytes = row["body"]
    data = {
        "inbound_id": event_id,
        "source_id": row["source_id"],
        "source_type": row["source_type"],
        "content_type": row["content_type"] or "application/octet-stream",
        "body": body.decode("utf-8-sig", errors="replace"),
        "received_at": format_date(row["received_at"]),
        "replay_of": event_id,
    }
    event = new_event(
        event_type(row["source_type"]), data, tenant_id=tenant_id, subject=str(row["source_id"])
    )
    await bus.publish(tx, event)
    await repository.note_replay(tx, tenant_id, event_id)
    return ReplayOut(event_id=event.id, replay_of=event_id)


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "type": row["source_type"], "bytes": row["body_bytes"]}
