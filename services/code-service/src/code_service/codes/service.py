"""Rules of codes: every change is checked under the row's lock and written down with who, when and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from code_service.actor import Actor
from code_service.codes import repository
from code_service.codes.lifecycle import Action, check, status_at
from code_service.codes.schemas import CodeIn, CodeUpdate
from code_service.errors import CodeExistsError, CodeStateError
from shared.database import Tx
from shared.errors import NotFoundError, ValidationError
from shared.events import new_event
from shared.web import Runtime

#: Statuses that are told to other services, by the last part of the event's name.
_TOLD = frozenset(("used", "revoked"))


async def create(tx: Tx, by: Actor, body: CodeIn, now: datetime) -> dict[str, Any]:
    code_id = await repository.insert(tx, by.tenant_id, body.model_dump(), now)
    if code_id is None:
        raise CodeExistsError(f"There is a code {body.code} already", field="code")
    await _note(tx, by, code_id, now, action="create", to_status="available")
    return await get(tx, by.tenant_id, body.code, now)


async def get(tx: Tx, tenant_id: UUID, code: str, now: datetime, *, lock: bool = False) -> dict[str, Any]:
    """The code with its status of this moment; `NotFoundError`."""
    found = await repository.find(tx, tenant_id, code, lock=lock)
    if found is None:
        raise NotFoundError("There is no such code")
    return present(found, now)


def present(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A stored row as it is at a time. The date of a reservation that is over is kept, for it tells why."""
    return row | {"status": status_at(row, now)}


async def update(tx: Tx, by: Actor, code: str, body: CodeUpdate, now: datetime) -> dict[str, Any]:
    """Raises `CodeStateError` when type or pool change while somebody has the code."""
    found = await repository.find(tx, by.tenant_id, code, lock=True)
    if found is None:
        raise NotFoundError("There is no such code")
    changes = body.changes()
    before = status_at(found, now)
    moved = any(changes.get(name, found[name]) != found[name] for name in ("type", "pool"))
    if moved and before not in ("available", "expired"):
        raise CodeStateError(f"The code is {before}: its type and pool stay", details={"status": before})
    status = found["status"]
    if status == "expired" and status_at({**found, **changes, "status": "available"}, now) == "available":
        status = "available"
    drifts = any(_at_the_shop(found)[name] != value for name, value in _at_the_shop(found | changes).items())
    await repository.update(tx, by.tenant_id, found["id"], changes, status, now, drifts=drifts)
    changed = await get(tx, by.tenant_id, code, now)
    reason = f"changed: {', '.join(sorted(changes))}" if changes else None
    step = {"action": "update", "from_status": before, "to_status": changed["status"], "reason": reason}
    await _note(tx, by, found["id"], now, **step)
    return changed


def _at_the_shop(row: dict[str, Any]) -> dict[str, Any]:
    """What a ticket shop knows of a code beside its text."""
    metadata = row["metadata"] or {}
    return {name: row[name] for name in ("limit_per_order", "limit_per_ticket")} | {
        name: metadata.get(name) for name in ("discount_percent", "discount_amount_minor", "discount_amount")
    }


async def move(
    tx: Tx,
    runtime: Runtime,
    by: Actor,
    code: str,
    action: Action,
    *,
    reason: str | None = None,
    reference: str | None = None,
    at: datetime | None = None,
) -> dict[str, Any]:
    """Do one transition. `at` is when the code was redeemed, for one that is reported late.

    Raises a `CodeStateError` when the status does not allow it; of many at once exactly one goes through.
    """
    now = runtime.clock.now()
    if at is not None and at > now:
        raise ValidationError("used_at lies in the future", field="used_at")
    found = await repository.find(tx, by.tenant_id, code, lock=True)
    if found is None:
        raise NotFoundError("There is no such code")
    target = check(action, found, at or now).target
    values = {"now": now, "used_at": at or now, "reference": reference}
    await repository.set_status(tx, by.tenant_id, found["id"], target, values)
    step = {"action": action, "from_status": status_at(found, at or now), "to_status": target}
    await _note(tx, by, found["id"], now, **step, reason=reason, reference=reference)
    if target in _TOLD:
        await _tell(tx, runtime, by, found, target, now, reference)
    return await get(tx, by.tenant_id, code, now)


async def _note(tx: Tx, by: Actor, code_id: UUID, now: datetime, **event: Any) -> None:
    event |= {"actor": by.name, "request_id": by.request_id, "at": now}
    await repository.note(tx, by.tenant_id, code_id, event)


async def _tell(
    tx: Tx,
    runtime: Runtime,
    by: Actor,
    row: dict[str, Any],
    status: str,
    now: datetime,
    reference: str | None,
) -> None:
    fact = {
        "code_id": str(row["id"]),
        "code": row["code"],
        "type": row["type"],
        "occurred_at": now.isoformat(),
        "actor_id": by.name,
        "reference": reference,
    }
    event = new_event(f"code.code.{status}.v1", fact, tenant_id=by.tenant_id, subject=str(row["id"]))
    await runtime.events.publish(tx, event)
