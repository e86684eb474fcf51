"""What those who keep the service running see and try."""

from __future__ import annotations

from typing import Any

from property_service.admin import repository
from property_service.admin.schemas import (
    JobClient,
    JobRow,
    StatsOut,
    TrialProcessingIn,
    TrialProcessingOut,
    TrialProperty,
)
from property_service.assignments import service as assignments
from property_service.clients import service as clients
from property_service.processing import repository as jobs
from property_service.processing.schemas import JobStatus
from property_service.processing.service import PROCESS, local_today
from property_service.reports.mails import Mailer, addressee
from shared.database import Tx
from shared.web import Runtime


async def stats(tx: Tx) -> StatsOut:
    totals = await repository.totals(tx, tx.tenant)
    by_status = await jobs.counts(tx, tx.tenant, PROCESS)
    statuses = ("pending", "processing", "completed", "failed", "failed_permanent")
    return StatsOut(
        **totals,
        total_properties=await repository.property_count(tx),
        **{f"jobs_{status}": by_status.get(status, 0) for status in statuses},
    )


async def job_rows(tx: Tx, status: JobStatus | None, limit: int, offset: int) -> list[JobRow]:
    """Latest first."""
    rows = await jobs.page(tx, tx.tenant, PROCESS, status, limit, offset)
    return [_job_row(row) for row in rows]


def _job_row(row: dict[str, Any]) -> JobRow:
    known = row["first_name"] is not None
    client = (
        JobClient(first_name=row["first_name"], last_name=row["last_name"], email=row["email"])
        if known
        else None
    )
    fields = {name: row[name] for name in JobRow.model_fields if name != "clients"}
    return JobRow(**fields | {"properties_assigned": row["properties_assigned"] or 0}, clients=client)


async def try_processing(tx: Tx, rt: Runtime, body: TrialProcessingIn) -> TrialProcessingOut:
    """Assign and mail at once, from the sales that are held; nothing is fetched. `NotFoundError` as usual."""
    client = await clients.get(tx, body.client_id)
    today = local_today(rt, client)
    given = await assignments.assign(tx, rt, client, on=today, count=body.count)
    if given.assigned:
        mailer = await Mailer.of(tx, rt)
        await mailer.notification(addressee(client), given.assigned, today, f"test:{given.draw_id}")
    return TrialProcessingOut(
        client_id=body.client_id,
        properties_assigned=len(given.assigned),
        email_sent=bool(given.assigned),
        properties=[_property(row) for row in given.assigned],
        message=f"Assigned {len(given.assigned)} properties to {clients.full_name(client)}",
    )


def _property(row: dict[str, Any]) -> TrialProperty:
    cents = row["price_cents"]
    fields = {name: row[name] for name in ("address_raw", "city_name", "property_type", "sale_date")}
    return TrialProperty(**fields, price=None if cents is None else round(cents / 100))
