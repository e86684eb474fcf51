"""SQL of orders, their lines, their codes and the facts they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from code_service.orders.facts import PERSONAL, OrderFact, OrderState, Source
from shared.database import Tx
from shared.utils import uuid7

_COLUMNS = """id, source, external_id, status, total_minor, currency, customer_email, customer_name,
    event_ref, ordered_at, status_at, created_at, updated_at"""


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """None means any. `q` is a part of the id, the customer's name or address, in any case."""

    status: str | None = None
    source: str | None = None
    code: str | None = None
    q: str | None = None
    ordered_from: datetime | None = None
    ordered_to: datetime | None = None


async def lock(tx: Tx, tenant_id: UUID, source: Source, external_id: str, now: datetime) -> tuple[UUID, bool]:
    """The order's id and whether its customer was removed.

    It is made when it is new, and nobody else changes it until the transaction ends.
    """
    await tx.execute(
        """INSERT INTO shop_order (tenant_id, id, source, external_id, status, ordered_at, status_at,
                                   created_at, updated_at)
           VALUES ($1, $2, $3, $4, 'pending', $5, $5, $5, $5)
           ON CONFLICT (tenant_id, source, external_id) DO NOTHING""",
        tenant_id,
        uuid7(),
        source,
        external_id,
        now,
    )
    row = await tx.fetchrow(
        """SELECT id, customer_forgotten_at FROM shop_order
           WHERE tenant_id = $1 AND source = $2 AND external_id = $3 FOR UPDATE""",
        tenant_id,
        source,
        external_id,
    )
    assert row is not None, "made by the statement before"
    return row["id"], row["customer_forgotten_at"] is not None


async def forget_customer(tx: Tx, tenant_id: UUID, order_id: UUID, now: datetime) -> None:
    """Remove who ordered, from the order and from all that was said of it."""
    await tx.execute(
        """UPDATE shop_order SET customer_email = NULL, customer_name = NULL, customer_forgotten_at = $3,
                                 updated_at = $3
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        order_id,
        now,
    )
    await tx.execute(
        """UPDATE order_fact SET details = details - $3::text[] WHERE tenant_id = $1 AND order_id = $2""",
        tenant_id,
        order_id,
        list(PERSONAL),
    )


async def add_fact(tx: Tx, tenant_id: UUID, order_id: UUID, fact: OrderFact) -> bool:
    """Keep a fact; False when this webhook's is there already."""
    added = await tx.affected(
        """INSERT INTO order_fact (tenant_id, order_id, inbound_id, status, at, received_at, details)
           VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING""",
        tenant_id,
        order_id,
        fact.inbound_id,
        fact.status,
        fact.at,
        fact.received_at,
        dict(fact.details),
    )
    return added == 1


async def facts(tx: Tx, tenant_id: UUID, order_id: UUID, external_id: str) -> list[OrderFact]:
    rows = await tx.fetch(
        """SELECT inbound_id, status, at, received_at, details FROM order_fact
           WHERE tenant_id = $1 AND order_id = $2""",
        tenant_id,
        order_id,
    )
    return [OrderFact(external_id=external_id, **dict(row)) for row in rows]


async def save(tx: Tx, tenant_id: UUID, order_id: UUID, state: OrderState, now: datetime) -> None:
    """Write the order as its facts make it, with its lines and codes."""
    await tx.execute(
        """UPDATE shop_order SET status = $3, total_minor = $4, currency = $5, customer_email = $6,
               customer_name = $7, event_ref = $8, ordered_at = $9, status_at = $10, updated_at = $11
           WHERE tenant_id = $1 AND id = $2""",
        tenant_id,
        order_id,
        state.status,
        state.total_minor,
        state.currency,
        state.customer_email,
        state.customer_name,
        state.event_ref,
        state.ordered_at,
        state.status_at,
        now,
    )
    await _save_lines(tx, tenant_id, order_id, state)
    await _save_codes(tx, tenant_id, order_id, state)


async def _save_lines(tx: Tx, tenant_id: UUID, order_id: UUID, state: OrderState) -> None:
    await tx.execute("DELETE FROM order_line WHERE tenant_id = $1 AND order_id = $2", tenant_id, order_id)
    await tx.execute(
        """INSERT INTO order_line (tenant_id, order_id, position, name, quantity, unit_minor)
           SELECT $1, $2, l.position, l.name, l.quantity, l.unit_minor
           FROM unnest($3::text[], $4::int[], $5::bigint[]) WITH ORDINALITY
                AS l (name, quantity, unit_minor, position)""",
        tenant_id,
        order_id,
        [line[0] for line in state.lines],
        [line[1] for line in state.lines],
        [line[2] for line in state.lines],
    )


async def _save_codes(tx: Tx, tenant_id: UUID, order_id: UUID, state: OrderState) -> None:
    """A code keeps the row it was linked to, though that may have another name by now."""
    codes = list(state.codes)
    await tx.execute(
        """DELETE FROM order_code WHERE tenant_id = $1 AND order_id = $2
              AND code_norm <> ALL (SELECT upper(one COLLATE "C") FROM unnest($3::text[]) AS one)""",
        tenant_id,
        order_id,
        codes,
    )
    await tx.execute(
        """INSERT INTO order_code (tenant_id, order_id, code, code_id)
           SELECT $1, $2, given.code, c.id FROM unnest($3::text[]) AS given (code)
           LEFT JOIN code c ON c.tenant_id = $1 AND c.code_norm = upper(given.code COLLATE "C")
           ON CONFLICT (tenant_id, order_id, code_norm)
           DO UPDATE SET code_id = coalesce(order_code.code_id, excluded.code_id)""",
        tenant_id,
        order_id,
        codes,
    )


async def find(tx: Tx, tenant_id: UUID, order_id: UUID) -> dict[str, Any] | None:
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM shop_order WHERE tenant_id = $1 AND id = $2", tenant_id, order_id
    )
    return dict(row) if row else None


async def page(
    tx: Tx, tenant_id: UUID, wanted: OrderFilter, before: tuple[datetime | None, UUID | None], limit: int
) -> list[dict[str, Any]]:
    """By the time of the order, newest first."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM shop_order o
            WHERE tenant_id = $1 AND ($2::timestamptz IS NULL OR (ordered_at, id) < ($2, $3::uuid))
              AND ($4::text IS NULL OR status = $4) AND ($5::text IS NULL OR source = $5)
              AND ($6::text IS NULL OR EXISTS (
                    SELECT 1 FROM order_code oc WHERE oc.tenant_id = $1 AND oc.order_id = o.id
                       AND oc.code_norm = upper($6 COLLATE "C")))
              AND ($7::text IS NULL
                   OR strpos(lower(concat_ws(' ', external_id, customer_email, customer_name)),
                             lower($7)) > 0)
              AND ($8::timestamptz IS NULL OR ordered_at >= $8)
              AND ($9::timestamptz IS NULL OR ordered_at < $9)
            ORDER BY ordered_at DESC, id DESC LIMIT $10""",
        tenant_id,
        *before,
        wanted.status,
        wanted.source,
        wanted.code,
        wanted.q,
        wanted.ordered_from,
        wanted.ordered_to,
        limit,
    )
    return [dict(row) for row in rows]


async def codes_of(tx: Tx, tenant_id: UUID, order_ids: list[UUID]) -> list[dict[str, Any]]:
    """Codes of some orders with our row of each, also when that was made after the order came."""
    rows = await tx.fetch(
        """SELECT oc.order_id, oc.code, c.id AS code_id, c.code AS our_code, c.status AS code_status
           FROM order_code oc
           LEFT JOIN LATERAL (
               SELECT id, code, status FROM code
               WHERE tenant_id = oc.tenant_id AND id = oc.code_id
               UNION ALL
               SELECT id, code, status FROM code
               WHERE tenant_id = oc.tenant_id AND code_norm = oc.code_norm AND oc.code_id IS NULL
           ) c ON true
           WHERE oc.tenant_id = $1 AND oc.order_id = ANY ($2::uuid[]) ORDER BY oc.order_id, oc.code_norm""",
        tenant_id,
        order_ids,
    )
    return [dict(row) for row in rows]


async def lines(tx: Tx, tenant_id: UUID, order_id: UUID) -> list[dict[str, Any]]:
    rows = await tx.fetch(
        """SELECT name, quantity, unit_minor FROM order_line
           WHERE tenant_id = $1 AND order_id = $2 ORDER BY position""",
        tenant_id,
        order_id,
    )
    return [dict(row) for row in rows]


async def history(tx: Tx, tenant_id: UUID, order_id: UUID) -> list[dict[str, Any]]:
    """Every webhook about the order, in the order in which they came."""
    rows = await tx.fetch(
        """SELECT inbound_id AS webhook_id, status, at, received_at FROM order_fact
           WHERE tenant_id = $1 AND order_id = $2 ORDER BY received_at, inbound_id""",
        tenant_id,
        order_id,
    )
    return [dict(row) for row in rows]
