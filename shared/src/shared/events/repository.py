"""SQL of the outbox and the inbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from shared.database.tx import Tx
from shared.events.envelope import Event, from_outbox

_BACKLOG_CAP = 10_000

_INSERT = """
INSERT INTO outbox (id, tenant_id, type, source, subject, occurred_at, data, traceparent, correlation_id)
SELECT e.id, e.tenant_id, e.type, e.source, e.subject, e.occurred_at, e.data::json, e.traceparent,
       e.correlation_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
            $8::text[], $9::text[])
     AS e (id, tenant_id, type, source, subject, occurred_at, data, traceparent, correlation_id)
"""

# An array, not `IN (SELECT …)`: as a join the inner query may run once a row, and each run takes other rows.
_CLAIM = """
DELETE FROM outbox
WHERE id = ANY (ARRAY(
    SELECT id FROM (
        SELECT id, coalesce(sum(coalesce(pack_size, 1)) OVER before, 0) AS events_before FROM (
            SELECT id, pack_size FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) AS oldest
        WINDOW before AS (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS counted
    WHERE events_before < $1))
RETURNING id, tenant_id, type, source, subject, occurred_at, data::text AS data, traceparent, correlation_id,
          pack_size
"""

_ENVELOPE = "id, tenant_id, type, source, subject, occurred_at, data, traceparent, correlation_id"

_UNPACK = f"""
WITH pack AS (
    DELETE FROM outbox WHERE pack_size IS NOT NULL
      AND id = ANY (ARRAY(SELECT id FROM outbox ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED))
    RETURNING id, tenant_id, source, occurred_at, data, traceparent
)
INSERT INTO outbox ({_ENVELOPE})
SELECT overlay(p.id::text PLACING lpad(to_hex(place - 1), 4, '0') FROM 33)::uuid, p.tenant_id, e->>'type',
       p.source, e->>'subject', p.occurred_at, e->'data', p.traceparent, e->>'correlation_id'
FROM pack p CROSS JOIN json_array_elements(p.data) WITH ORDINALITY AS packed (e, place)
"""

_SET_ASIDE = f"""
WITH gone AS (DELETE FROM outbox WHERE id = $1 RETURNING {_ENVELOPE})
INSERT INTO outbox_refused ({_ENVELOPE}, tries, error) SELECT {_ENVELOPE}, $2, $3 FROM gone
ON CONFLICT (id) DO NOTHING
"""

_TAKE_BACK = f"""
WITH gone AS (DELETE FROM outbox_refused WHERE id = $1 RETURNING {_ENVELOPE})
INSERT INTO outbox ({_ENVELOPE}) SELECT {_ENVELOPE} FROM gone ON CONFLICT (id) DO NOTHING
"""


def columns(events: Sequence[Event]) -> tuple[list[object], ...]:
    """The events as nine arrays in the order of the tables' columns, for `unnest`."""
    return (
        [e.id for e in events],
        [e.tenant_id for e in events],
        [e.type for e in events],
        [e.source for e in events],
        [e.subject for e in events],
        [e.time for e in events],
        [e.encoded_data().decode() for e in events],
        [e.traceparent for e in events],
        [e.correlation_id for e in events],
    )


async def trust_indexes(tx: Tx) -> None:
    """Plan the transaction's statements by index, whatever the statistics say.

    A queue is empty whenever ANALYZE looks at it; a plan made for no rows scans the whole table once a row
    when there are thousands.
    """
    await tx.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")


async def insert_outbox(tx: Tx, events: Sequence[Event]) -> None:
    await tx.execute(_INSERT, *columns(events))


async def claim_outbox(tx: Tx, limit: int) -> list[Event]:
    """Take `limit` events out of the outbox, or all; they come back if the transaction is rolled back.

    There may be more: what was written as one row leaves together.
    """
    await trust_indexes(tx)
    return [event for row in await tx.fetch(_CLAIM, limit) for event in from_outbox(row)]


async def unpack_oldest(tx: Tx) -> None:
    """Give each event of the outbox's oldest row a row of its own."""
    await tx.execute(_UNPACK)


async def set_aside(tx: Tx, event_id: UUID, tries: int, error: str) -> bool:
    """Move an event out of the outbox to the refused ones; False when it is not there any more."""
    return await tx.affected(_SET_ASIDE, event_id, tries, error) == 1


async def take_back(tx: Tx, event_id: UUID) -> bool:
    """Move a refused event back to the outbox; False when there is none of this id."""
    return await tx.affected(_TAKE_BACK, event_id) == 1


async def refused(tx: Tx, limit: int) -> list[Record]:
    """Up to `limit` refused events, oldest refusal first."""
    return await tx.fetch(
        "SELECT id, tenant_id, type, source, subject, occurred_at, data::text AS data, traceparent,"
        " correlation_id, tries, error, refused_at FROM outbox_refused ORDER BY refused_at, id LIMIT $1",
        limit,
    )


async def outbox_backlog(tx: Tx) -> tuple[int, datetime | None]:
    """Events waiting (in up to 10,000 rows) and the time of the oldest."""
    row = await tx.fetchrow(
        "SELECT (SELECT coalesce(sum(coalesce(pack_size, 1)), 0)"
        "        FROM (SELECT pack_size FROM outbox LIMIT $1) AS sampled) AS waiting,"
        " (SELECT occurred_at FROM outbox ORDER BY id LIMIT 1) AS oldest",
        _BACKLOG_CAP,
    )
    assert row is not None
    return row["waiting"], row["oldest"]


async def claim_inbox(tx: Tx, consumer: str, event_id: UUID) -> bool:
    """Note that `consumer` handles this event in this transaction; False when it already has."""
    tag = await tx.execute(
        "INSERT INTO inbox (consumer, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", consumer, event_id
    )
    return tag.endswith(" 1")


async def claim_inbox_many(tx: Tx, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
    """As `claim_inbox`, in one statement: those that were not handled before."""
    rows = await tx.fetch(
        "INSERT INTO inbox (consumer, event_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING"
        " RETURNING event_id",
        consumer,
        list(event_ids),
    )
    return {row["event_id"] for row in rows}


async def is_in_inbox(tx: Tx, consumer: str, event_id: UUID) -> bool:
    found = await tx.fetchval(
        "SELECT EXISTS (SELECT 1 FROM inbox WHERE consumer = $1 AND event_id = $2)", consumer, event_id
    )
    return bool(found)


async def forget_inbox(tx: Tx, before: datetime, limit: int = 10_000) -> int:
    """Delete up to `limit` inbox rows older than `before`; how many there were."""
    return await tx.affected(
        "DELETE FROM inbox WHERE ctid = ANY (ARRAY(SELECT ctid FROM inbox WHERE processed_at < $1 LIMIT $2))",
        before,
        limit,
    )
