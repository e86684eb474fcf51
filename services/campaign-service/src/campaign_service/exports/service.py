"""Long lists as CSV, read page by page: memory stays flat, no statement runs for long, and a reader who takes
his time holds no transaction open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.campaigns.states import RECIPIENT_STATES, RecipientState
from campaign_service.contacts.csv_safety import csv_lines
from campaign_service.exports import repository
from campaign_service.exports.repository import RECIPIENT_COLUMNS, EventFilter
from shared.database import SimpleDatabase, Tx

EVENT_COLUMNS = (
    "occurred_at",
    "type",
    "campaign_id",
    "message_id",
    "contact_id",
    "email",
    "verdict",
    "url",
    "bounce_class",
    "status",
    "diagnostic",
    "feedback_type",
    "user_agent",
    "id",
)
_FROM_DETAIL = frozenset({"message_id", "status", "diagnostic", "feedback_type", "user_agent"})
PAGE = 1000
Row = dict[str, Any]
Read = Callable[[Tx, Any], Awaitable[list[Row]]]


async def recipients_csv(
    db: SimpleDatabase, tenant_id: UUID, campaign_id: UUID, state: RecipientState | None
) -> AsyncIterator[str]:
    """A campaign's recipients, in the order of their contacts."""

    states = (state,) if state else RECIPIENT_STATES

    async def read(tx: Tx, after: UUID | None) -> list[Row]:
        return await repository.recipients(tx, tenant_id, campaign_id, states, after, PAGE)

    yield csv_lines([RECIPIENT_COLUMNS])
    async for rows in _pages(db, tenant_id, read, lambda row: row["contact_id"]):
        yield csv_lines([[_cell(row[name]) for name in RECIPIENT_COLUMNS] for row in rows])


async def events_csv(db: SimpleDatabase, tenant_id: UUID, which: EventFilter) -> AsyncIterator[str]:
    """All events of a tenant, the earliest first."""

    async def read(tx: Tx, after: tuple[datetime, UUID] | None) -> list[Row]:
        return await repository.events(tx, tenant_id, which, after, PAGE)

    yield csv_lines([EVENT_COLUMNS])
    async for rows in _pages(db, tenant_id, read, lambda row: (row["occurred_at"], row["id"])):
        yield _event_lines(rows)


async def campaign_events_csv(
    db: SimpleDatabase, tenant_id: UUID, campaign_id: UUID, which: EventFilter
) -> AsyncIterator[str]:
    """A campaign's events, one person after the other; at the end those of people who were erased."""

    async def of_people(tx: Tx, after: tuple[UUID, datetime, UUID] | None) -> list[Row]:
        return await repository.events_of_campaign(tx, tenant_id, campaign_id, which, after, PAGE)

    async def of_nobody(tx: Tx, after: tuple[datetime, UUID] | None) -> list[Row]:
        return await repository.events_of_nobody(tx, tenant_id, campaign_id, which, after, PAGE)

    yield csv_lines([EVENT_COLUMNS])
    async for rows in _pages(
        db, tenant_id, of_people, lambda row: (row["contact_id"], row["occurred_at"], row["id"])
    ):
        yield _event_lines(rows)
    async for rows in _pages(db, tenant_id, of_nobody, lambda row: (row["occurred_at"], row["id"])):
        yield _event_lines(rows)


async def _pages(
    db: SimpleDatabase, tenant_id: UUID, read: Read, key: Callable[[Row], Any]
) -> AsyncIterator[list[Row]]:
    """Each page in a transaction of its own, ended before the page is handed on."""
    after: Any = None
    while True:
        async with db.tenant_tx(tenant_id, read_only=True) as tx:
            rows = await read(tx, after)
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        after = key(rows[-1])


def _event_lines(rows: Sequence[Row]) -> str:
    return csv_lines([[_event_cell(row, name) for name in EVENT_COLUMNS] for row in rows])


def _event_cell(row: Row, name: str) -> Any:
    return row["detail"].get(name) if name in _FROM_DETAIL else _cell(row[name])


def _cell(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
