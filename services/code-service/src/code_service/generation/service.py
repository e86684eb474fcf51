"""Making many codes: what is asked for is checked at once, a job does the work."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from code_service.actor import Actor
from code_service.generation import repository
from code_service.generation.schemas import BatchAccepted, BulkIn
from shared.database import Tx
from shared.errors import NotFoundError, ValidationError
from shared.utils import uuid7
from shared.web import Runtime

GENERATE = "codes.generate"


class PatternTooSmallError(ValidationError):
    """The pattern has too few codes for so many; `details` has `space`, `count` and `most`."""

    code = "PATTERN_TOO_SMALL"


async def accept(tx: Tx, runtime: Runtime, by: Actor, body: BulkIn) -> BatchAccepted:
    """Raises PatternTooSmallError when so many cannot be made, or could be guessed."""
    pattern = body.compiled()
    if body.count > pattern.most:
        why = "has too few codes" if body.count > pattern.space else "would make the codes easy to guess"
        raise PatternTooSmallError(
            f"The pattern {why}: {body.count} of {pattern.space}, at most {pattern.most}",
            field="pattern",
            details={"space": str(pattern.space), "count": body.count, "most": str(pattern.most)},
        )
    payload = {"bulk": body.model_dump(mode="json")}
    return await start(tx, runtime, by, GENERATE, payload, kind="generate", wanted=body.count)


async def start(
    tx: Tx,
    runtime: Runtime,
    by: Actor,
    job_type: str,
    payload: dict[str, Any],
    *,
    kind: str,
    wanted: int | None = None,
    filename: str | None = None,
    batch_id: UUID | None = None,
) -> BatchAccepted:
    """Enqueue the job of a new batch."""
    chosen = batch_id or uuid7()
    payload |= {"batch_id": str(chosen), "actor": by.name, "request_id": by.request_id}
    job = await runtime.jobs.enqueue(tx, job_type, payload, tenant_id=by.tenant_id, created_by=by.name)
    batch = {
        "id": chosen,
        "kind": kind,
        "job_id": job.id,
        "filename": filename,
        "wanted": wanted,
        "created_by": by.name,
        "created_at": runtime.clock.now(),
    }
    await repository.insert_batch(tx, by.tenant_id, batch)
    return BatchAccepted(batch_id=chosen, job_id=job.id)


async def get_batch(tx: Tx, tenant_id: UUID, batch_id: UUID) -> dict[str, Any]:
    found = await repository.get_batch(tx, tenant_id, batch_id)
    if found is None:
        raise NotFoundError("There is no such batch")
    return found
