"""What the law gives a client: all that is kept about them, and its end (GDPR, articles 15, 17 and 20)."""

from __future__ import annotations

from uuid import UUID

from property_service.assignments import repository as assignments
from property_service.clients import repository
from property_service.clients.schemas import ClientExport, ErasedClient, JobBrief
from shared.database import Tx
from shared.errors import NotFoundError
from shared.web import Runtime

_ALL = 1_000_000


async def export(tx: Tx, rt: Runtime, client_id: UUID) -> ClientExport:
    """All of it, also of a deleted client. `NotFoundError`, also for one who was erased."""
    client = await repository.record(tx, tx.tenant, client_id)
    if client is None or client["erased_at"]:
        raise NotFoundError(f"Client {client_id} not found")
    jobs = await repository.recent_jobs(tx, tx.tenant, client_id, _ALL)
    return ClientExport(
        exported_at=rt.clock.now(),
        client=client,
        seats=await repository.seats(tx, tx.tenant, client_id),
        assignments=await assignments.page(tx, tx.tenant, client_id, _ALL, 0),
        draws=await assignments.draws(tx, tx.tenant, client_id),
        jobs=[JobBrief(**job) for job in jobs],
    )


async def erase(tx: Tx, rt: Runtime, client_id: UUID) -> ErasedClient:
    """Take away all that tells of a client, also of a deleted one.

    What is left is an empty row, for the id is known to jobs. `NotFoundError`, also for one who was erased.
    """
    client = await repository.record(tx, tx.tenant, client_id, lock=True)
    if client is None or client["erased_at"]:
        raise NotFoundError(f"Client {client_id} not found")
    now = rt.clock.now()
    return ErasedClient(
        client_id=client_id,
        erased_at=now,
        deleted_assignments=await assignments.reset(tx, tx.tenant, client_id),
        deleted_seats=await repository.erase(tx, tx.tenant, client_id, now),
    )
