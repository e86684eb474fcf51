"""SQL of the rows of automation jobs, and of what they change in our own codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from code_service.automation.planning.model import PlannedRow, row_of
from shared.database import Tx

_COLUMNS = "place, line, code, new_code, wanted, state, tries, reason, changed_at"


@dataclass(frozen=True, slots=True)
class Step:
    """A stored row. `tries` counts how often it was begun."""

    place: int
    row: PlannedRow
    tries: int

    @property
    def is_open(self) -> bool:
        """Whether it is still to do."""
        return self.row.state in ("pending", "doing")


def _step(row: Any) -> Step:
    return Step(row["place"], row_of(row), row["tries"])


async def insert(tx: Tx, tenant_id: UUID, job_id: UUID, rows: Sequence[PlannedRow]) -> None:
    """Store a plan in its order."""
    await tx.execute(
        """INSERT INTO automation_step (tenant_id, job_id, place, line, code, new_code, wanted, state, reason)
           SELECT $1, $2, * FROM unnest($3::int[], $4::int[], $5::text[], $6::text[], $7::jsonb[], $8::text[],
                                        $9::text[])""",
        tenant_id,
        job_id,
        list(range(1, len(rows) + 1)),
        [row.line for row in rows],
        [row.code for row in rows],
        [row.new_code for row in rows],
        [row.wanted for row in rows],
        [row.state for row in rows],
        [row.reason for row in rows],
    )


async def steps(tx: Tx, tenant_id: UUID, job_id: UUID) -> list[Step]:
    """All rows in the order of doing."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM automation_step WHERE tenant_id = $1 AND job_id = $2 ORDER BY place",
        tenant_id,
        job_id,
    )
    return [_step(row) for row in rows]


async def page(
    tx: Tx, tenant_id: UUID, job_id: UUID, state: str | None, after: int | None, limit: int
) -> list[dict[str, Any]]:
    """In the order of doing."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM automation_step
            WHERE tenant_id = $1 AND job_id = $2 AND ($3::text IS NULL OR state = $3)
              AND ($4::int IS NULL OR place > $4) ORDER BY place LIMIT $5""",
        tenant_id,
        job_id,
        state,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def begin(tx: Tx, tenant_id: UUID, job_id: UUID, place: int, now: datetime) -> None:
    await tx.execute(
        """UPDATE automation_step SET state = 'doing', tries = tries + 1, changed_at = $4
           WHERE tenant_id = $1 AND job_id = $2 AND place = $3""",
        tenant_id,
        job_id,
        place,
        now,
    )


async def end(
    tx: Tx, tenant_id: UUID, job_id: UUID, place: int, state: str, reason: str | None, now: datetime
) -> None:
    await tx.execute(
        """UPDATE automation_step SET state = $4, reason = $5, changed_at = $6
           WHERE tenant_id = $1 AND job_id = $2 AND place = $3""",
        tenant_id,
        job_id,
        place,
        state,
        reason,
        now,
    )


async def retry_failed(tx: Tx, tenant_id: UUID, job_id: UUID) -> int:
    """Rows that were tried and failed are to do again; how many. Those that the plan refused stay refused."""
    return await tx.affected(
        """UPDATE automation_step SET state = 'pending', reason = NULL, tries = 0
           WHERE tenant_id = $1 AND job_id = $2 AND state = 'failed' AND tries > 0""",
        tenant_id,
        job_id,
    )


# Our own codes


async def mark_waiting(tx: Tx, tenant_id: UUID, job_id: UUID, now: datetime) -> None:
    """Our codes among the rows to do are `pending`; the database puts them back when the job ends without."""
    await tx.execute("SELECT wait_for_shop($1, $2, $3)", tenant_id, job_id, now)


async def mark_waiting_again(tx: Tx, tenant_id: UUID, job_id: UUID, code: str, now: datetime) -> None:
    """A job is done with one of our codes, if it is one: it is `pending` again where another job waits."""
    await tx.execute("SELECT wait_on($1, $2, $3, $4)", tenant_id, job_id, code, now)


async def set_sync(
    tx: Tx, tenant_id: UUID, code: str, state: str, now: datetime, by: dict[str, Any] | None = None
) -> bool:
    """How far the shop knows one of our codes, if it is one; with `by` as a line of its history too."""
    changed = await tx.fetchrow(
        """UPDATE code SET sync_state = $3, updated_at = $4
           WHERE tenant_id = $1 AND code_norm = upper($2) RETURNING id, status""",
        tenant_id,
        code,
        state,
        now,
    )
    if changed is not None and by is not None:
        await _note(tx, tenant_id, changed, "sync", by, now)
    return changed is not None


async def rename(
    tx: Tx, tenant_id: UUID, old: str, new: str, now: datetime, by: dict[str, Any]
) -> bool | None:
    """Give one of our codes its new name. None: it is not ours; False: another of ours has that name."""
    taken = await tx.fetchval(
        "SELECT true FROM code WHERE tenant_id = $1 AND code_norm = upper($2) AND code_norm <> upper($3)",
        tenant_id,
        new,
        old,
    )
    if taken:
        return await set_sync(tx, tenant_id, old, "drift", now, by) and False
    changed = await tx.fetchrow(
        """UPDATE code SET code = $3, sync_state = 'synced', updated_at = $4
           WHERE tenant_id = $1 AND code_norm = upper($2) RETURNING id, status""",
        tenant_id,
        old,
        new,
        now,
    )
    if changed is None:
        return None
    await _note(tx, tenant_id, changed, "rename", by, now)
    return True


async def set_values(tx: Tx, tenant_id: UUID, code: str, wanted: dict[str, Any], now: datetime) -> None:
    """Write the shop's new limits and discount to one of our codes, if it is one. A limit of 0 is none.

    A discount is `discount_percent` or, in cents, `discount_amount_minor`.
    """
    await tx.execute(
        """UPDATE code SET updated_at = $4,
               limit_per_order = CASE WHEN $3 ? 'limit_per_order'
                                      THEN nullif(($3->>'limit_per_order')::int, 0) ELSE limit_per_order END,
               limit_per_ticket = CASE WHEN $3 ? 'limit_per_ticket'
                                       THEN nullif(($3->>'limit_per_ticket')::int, 0)
                                       ELSE limit_per_ticket END,
               metadata = CASE
                   WHEN $3 ? 'percent' THEN metadata - 'discount_amount_minor'
                       || jsonb_build_object('discount_percent', ($3->>'percent')::numeric)
                   WHEN $3 ? 'amount_minor' THEN metadata - 'discount_percent'
                       || jsonb_build_object('discount_amount_minor', ($3->>'amount_minor')::bigint)
                   ELSE metadata END
           WHERE tenant_id = $1 AND code_norm = upper($2)""",
        tenant_id,
        code,
        wanted,
        now,
    )


async def mark_unsure(tx: Tx, tenant_id: UUID, job_id: UUID, now: datetime) -> None:
    """A row was being done when its job was stopped: nobody knows what the shop has now."""
    await tx.execute(
        """UPDATE code c SET sync_state = 'drift', updated_at = $3 FROM automation_step s
           WHERE s.tenant_id = $1 AND s.job_id = $2 AND s.state = 'doing'
             AND c.tenant_id = $1 AND c.code_norm = upper(s.code) AND c.sync_state = 'pushing'""",
        tenant_id,
        job_id,
        now,
    )


async def _note(
    tx: Tx, tenant_id: UUID, changed: Any, action: str, by: dict[str, Any], now: datetime
) -> None:
    await tx.execute(
        """INSERT INTO code_event (tenant_id, code_id, action, from_status, to_status, actor, reason,
                                   reference, request_id, at)
           VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9)""",
        tenant_id,
        changed["id"],
        action,
        changed["status"],
        by["actor"],
        by["reason"],
        by["reference"],
        by["request_id"],
        now,
    )
