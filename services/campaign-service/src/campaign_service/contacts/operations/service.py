"""Rules of operations on many contacts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.contacts import repository as contacts
from campaign_service.contacts.operations import repository
from campaign_service.contacts.operations.repository import Choice
from campaign_service.contacts.operations.schemas import OperationAccepted, OperationIn
from campaign_service.segments import service as segments
from shared.database import Tx
from shared.errors import NotFoundError
from shared.utils import uuid7
from shared.web import Runtime

JOB_TYPE = "contacts.operation"


async def begin(rt: Runtime, tx: Tx, user_id: UUID, body: OperationIn) -> OperationAccepted:
    """Count who is meant and, unless it is a dry run, enqueue the job.

    Raises NotFoundError for a segment that is not there, UnknownTagsError for one whose tag is gone.
    """
    now = await repository.moment(tx)
    request = body.model_dump(mode="json", exclude={"dry_run", "action"}, exclude_defaults=True)
    if body.segment_id is not None:
        # A segment that is changed or deleted later means here whom it means now.
        request["definition"] = (await segments.get(tx, tx.tenant, body.segment_id))["definition"]
    total = await repository.count(tx, await choice_of(tx, tx.tenant, request, now), now)
    if body.dry_run:
        return OperationAccepted(id=None, job_id=None, action=body.action, count=total, dry_run=True)
    if body.action == "export":
        request["columns"] = await contacts.custom_keys(tx, tx.tenant)
    operation_id = uuid7()
    job = await rt.jobs.enqueue(
        tx,
        JOB_TYPE,
        {"operation_id": str(operation_id)},
        tenant_id=tx.tenant,
        unique_key=str(operation_id),
        created_by=str(user_id),
    )
    values = {"id": operation_id, "job_id": job.id, "action": body.action, "request": request}
    await repository.insert(
        tx, tx.tenant, values | {"total": total, "created_by": user_id, "created_at": now}
    )
    return OperationAccepted(id=operation_id, job_id=job.id, action=body.action, count=total, dry_run=False)


async def choice_of(tx: Tx, tenant_id: UUID, request: dict[str, Any], now: datetime) -> Choice:
    """Whom a kept request means. Raises UnknownTagsError."""
    if "definition" in request:
        compiled = await segments.compile_kept(tx, tenant_id, request["definition"], now)
        return compiled.condition, compiled.params
    filters = dict(request["filter"])
    if filters.get("source_id"):
        filters["source_id"] = UUID(filters["source_id"])
    return contacts.conditions(tenant_id, filters)


async def get(tx: Tx, tenant_id: UUID, operation_id: UUID) -> dict[str, Any]:
    found = await repository.get(tx, tenant_id, operation_id)
    if found is None:
        raise NotFoundError("There is no such operation")
    return found
