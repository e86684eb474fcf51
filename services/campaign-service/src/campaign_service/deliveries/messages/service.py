"""What rows do to single messages: states, times and last words, and what others are told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from campaign_service.deliveries.merge import RecipientFacts, merge
from campaign_service.deliveries.messages import repository
from campaign_service.deliveries.messages.repository import LockedMessage
from campaign_service.deliveries.repository import Placed, RecipientChange
from campaign_service.deliveries.rows import DeliveryRow
from campaign_service.messages.references import message_of
from shared.database import Tx
from shared.events import Event, new_event
from shared.web import Runtime


def named(rows: Iterable[DeliveryRow]) -> dict[bytes, UUID]:
    """The message that each row names, by its dedupe key; rows that name none are left out."""
    found: dict[bytes, UUID] = {}
    for row in rows:
        ids = (message_of(text) for text in (*row.references, row.job_id))
        if message_id := next((i for i in ids if i is not None), None):
            found[row.dedupe_key] = message_id
    return found


async def change(
    tx: Tx, runtime: Runtime, fresh: Sequence[Placed], locked: Mapping[UUID, LockedMessage]
) -> None:
    """Write what new rows say of the messages they name, and publish it."""
    by_message: defaultdict[UUID, list[DeliveryRow]] = defaultdict(list)
    for placed in fresh:
        if placed.message_id is not None:
            by_message[placed.message_id].append(placed.row)
    if not by_message:
        return
    changes: dict[UUID, RecipientChange] = {}
    events: list[Event] = []
    for message_id, rows in by_message.items():
        old = locked[message_id]
        new = merge(old.facts, rows)
        latest = max(rows, key=lambda row: row.occurred_at)
        words = None if old.is_erased else latest.diagnostic[:500]
        changes[message_id] = RecipientChange(new, latest.status or None, words or None)
        events += [] if old.is_erased else _events(tx, message_id, old, new, rows)
    await repository.update(tx, tx.tenant, changes, runtime.clock.now())
    await runtime.events.publish_many(tx, events)


def _events(
    tx: Tx, message_id: UUID, old: LockedMessage, new: RecipientFacts, rows: Sequence[DeliveryRow]
) -> list[Event]:
    """Each bounce and complaint, and the first delivery."""
    told: list[tuple[str, DeliveryRow, dict[str, Any]]] = []
    is_first = old.facts.delivered_at is None
    for row in rows:
        if row.fact == "complained":
            told.append(("complained", row, {"feedback_type": row.detail.get("feedback_type")}))
        elif row.fact == "bounced" and row.bounce_class in ("hard", "soft"):
            told.append(("bounced", row, row.bounce_data))
        elif row.fact == "delivered" and is_first and row.occurred_at == new.delivered_at:
            told.append(("delivered", row, {"reply": row.diagnostic or None}))
    common = {"message_id": str(message_id), "recipient": old.email}
    return [
        new_event(
            f"campaign.message.{kind}.v1",
            common | {"occurred_at": row.occurred_at} | more,
            tenant_id=tx.tenant,
            subject=str(message_id),
        )
        for kind, row, more in told
    ]
