"""SQL of clients and their seats."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from property_service.clients.errors import ClientExistsError, SeatExistsError
from shared.database import Tx
from shared.utils import uuid7

#: What a request may set, besides the seats.
FIELDS = (
    "first_name",
    "last_name",
    "email",
    "telephone",
    "company_name",
    "company_address",
    "subscription_type",
    "status",
    "subscription_start_date",
    "subscription_end_date",
    "subscription_status",
    "stripe_customer_id",
    "stripe_subscription_id",
    "first_report_date",
    "send_day",
    "addresses_per_report",
    "chosen_cities",
    "property_type_preferences",
    "template_name",
    "info",
    "role",
    "language",
    "time_zone",
)
_COLUMNS = f"id AS client_id, {', '.join(FIELDS)}, created_at, updated_at"
#: A client gets reports on a day $2 of a month of $3 days.
_DUE = """status = 'active' AND deleted_at IS NULL AND least(send_day, $3) = extract(day FROM $2::date)
    AND coalesce(first_report_date <= $2, true) AND coalesce(subscription_end_date >= $2, true)"""


async def insert(tx: Tx, tenant_id: UUID, fields: dict[str, Any], now: datetime) -> UUID:
    """The new client's id; `fields` has all of FIELDS. Raises ClientExistsError."""
    values = ", ".join(f"${n}" for n in range(4, 4 + len(FIELDS)))
    client_id: UUID | None = await tx.fetchval(
        f"""INSERT INTO client (tenant_id, id, created_at, updated_at, {", ".join(FIELDS)})
            VALUES ($1, $2, $3, $3, {values})
            ON CONFLICT (tenant_id, email_lower) WHERE deleted_at IS NULL DO NOTHING RETURNING id""",
        tenant_id,
        uuid7(),
        now,
        *(fields[name] for name in FIELDS),
    )
    if client_id is None:
        raise ClientExistsError
    return client_id


async def update(tx: Tx, tenant_id: UUID, client_id: UUID, changes: dict[str, Any], now: datetime) -> None:
    """Set the given fields. Raises ClientExistsError."""
    names = [name for name in FIELDS if name in changes]
    sets = "".join(f", {name} = ${n}" for n, name in enumerate(names, start=4))
    try:
        await tx.execute(
            f"UPDATE client SET updated_at = $3{sets} WHERE tenant_id = $1 AND id = $2",
            tenant_id,
            client_id,
            now,
            *(changes[name] for name in names),
        )
    except asyncpg.UniqueViolationError as error:
        raise ClientExistsError from error


async def get(tx: Tx, tenant_id: UUID, client_id: UUID, *, lock: bool = False) -> dict[str, Any] | None:
    """A client who was not deleted; with `lock` as they are until the transaction ends."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM client WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL"
        + (" FOR NO KEY UPDATE" if lock else ""),
        tenant_id,
        client_id,
    )
    return dict(row) if row else None


async def page(
    tx: Tx, tenant_id: UUID, status: str | None, limit: int, offset: int
) -> tuple[list[dict[str, Any]], int]:
    """Newest first, and how many there are in all."""
    where = "tenant_id = $1 AND deleted_at IS NULL AND ($2::text IS NULL OR status = $2)"
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM client WHERE {where} ORDER BY id DESC LIMIT $3 OFFSET $4",
        tenant_id,
        status,
        limit,
        offset,
    )
    total = await tx.fetchval(f"SELECT count(*) FROM client WHERE {where}", tenant_id, status)
    return [dict(row) for row in rows], total


async def due_on(tx: Tx, tenant_id: UUID, on: date) -> list[dict[str, Any]]:
    """Active clients whose report is due on a day: their `send_day`, or the last day of a shorter month.

    Not before `first_report_date`, and not after the subscription's last day.
    """
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM client WHERE tenant_id = $1 AND {_DUE} ORDER BY id",
        tenant_id,
        on,
        calendar.monthrange(on.year, on.month)[1],
    )
    return [dict(row) for row in rows]


async def seats(tx: Tx, tenant_id: UUID, client_id: UUID) -> list[dict[str, Any]]:
    rows = await tx.fetch(
        """SELECT id AS user_id, first_name, last_name, email, role, created_at FROM client_seat
           WHERE tenant_id = $1 AND client_id = $2 ORDER BY created_at, id""",
        tenant_id,
        client_id,
    )
    return [dict(row) for row in rows]


async def put_seats(
    tx: Tx, tenant_id: UUID, client_id: UUID, wanted: Sequence[dict[str, Any]], now: datetime
) -> None:
    """Make these the client's seats; one that stays, by its address, keeps its id. Raises SeatExistsError."""
    kept = [seat["email"].lower() for seat in wanted]
    await tx.execute(
        "DELETE FROM client_seat WHERE tenant_id = $1 AND client_id = $2 AND email_lower <> ALL ($3)",
        tenant_id,
        client_id,
        kept,
    )
    stored = await tx.fetch(
        """INSERT INTO client_seat AS s
               (tenant_id, client_id, created_at, id, first_name, last_name, email, role)
           SELECT $1, $2, $3, * FROM unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[])
           ON CONFLICT (tenant_id, email_lower) WHERE is_active DO UPDATE
               SET first_name = excluded.first_name, last_name = excluded.last_name, email = excluded.email,
                   role = excluded.role
               WHERE s.client_id = excluded.client_id
           RETURNING id""",
        tenant_id,
        client_id,
        now,
        [uuid7() for _ in wanted],
        *([seat[name] for seat in wanted] for name in ("first_name", "last_name", "email", "role")),
    )
    if len(stored) < len(wanted):
        raise SeatExistsError


async def delete(tx: Tx, tenant_id: UUID, client_id: UUID, now: datetime) -> None:
    """Take a client out of everything but the record; their addresses may be used again."""
    await tx.execute(
        """UPDATE client SET deleted_at = coalesce(deleted_at, $3), status = 'inactive', updated_at = $3
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        client_id,
        now,
    )
    await tx.execute(
        "UPDATE client_seat SET is_active = false WHERE tenant_id = $1 AND client_id = $2",
        tenant_id,
        client_id,
    )


async def record(tx: Tx, tenant_id: UUID, client_id: UUID, *, lock: bool = False) -> dict[str, Any] | None:
    """All that is stored of a client, also of a deleted one; `lock` as in `get`."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS}, deleted_at, erased_at FROM client WHERE tenant_id = $1 AND id = $2"
        + (" FOR NO KEY UPDATE" if lock else ""),
        tenant_id,
        client_id,
    )
    return dict(row) if row else None


async def erase(tx: Tx, tenant_id: UUID, client_id: UUID, now: datetime) -> int:
    """Empty a client's row, of which jobs and counts still know the id; the number of seats deleted."""
    await tx.execute(
        """UPDATE client SET first_name = '', last_name = '', email = NULL, telephone = NULL,
               company_name = NULL, company_address = NULL, subscription_type = 'decouverte',
               status = 'inactive', subscription_start_date = NULL, subscription_end_date = NULL,
               subscription_status = NULL, stripe_customer_id = NULL, stripe_subscription_id = NULL,
               first_report_date = NULL, send_day = 1, addresses_per_report = NULL, chosen_cities = '{}',
               property_type_preferences = '{}', template_name = NULL, info = NULL, role = 'user',
               language = 'fr', time_zone = 'Europe/Paris', updated_at = $3, erased_at = $3,
               deleted_at = coalesce(deleted_at, $3)
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        client_id,
        now,
    )
    return await tx.affected(
        "DELETE FROM client_seat WHERE tenant_id = $1 AND client_id = $2", tenant_id, client_id
    )


async def recent_jobs(tx: Tx, tenant_id: UUID, client_id: UUID, limit: int) -> list[dict[str, Any]]:
    """Jobs that are about a client, latest first; one that waits for another attempt is `failed`."""
    rows = await tx.fetch(
        """SELECT id AS job_id, created_at, CASE WHEN status = 'running' THEN 'processing'
                      WHEN status = 'pending' AND error IS NOT NULL THEN 'failed' ELSE status END AS status
           FROM job WHERE tenant_id = $1 AND payload ? 'client_id' AND payload->>'client_id' = $2::text
           ORDER BY id DESC LIMIT $3""",
        tenant_id,
        str(client_id),
        limit,
    )
    return [dict(row) for row in rows]
