"""The job that serves a client: brings their cities up to date, assigns addresses, sends the mails."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from property_service.assignments import service as assignments
from property_service.assignments.service import AssignmentResult
from property_service.clients import repository as clients
from property_service.places import repository as places
from property_service.processing import repository
from property_service.processing.schemas import Order
from property_service.processing.service import PROCESS, local_today
from property_service.reports.mails import Mailer, Shortage, addressee, city_names
from property_service.settings import Settings, settings_of
from property_service.sources.refresh import refresh_city
from shared.database import Tx
from shared.errors import PermanentError
from shared.events.catalog import AddressesInsufficient, PropertiesAssigned
from shared.events.envelope import new_event
from shared.jobs import JobContext, JobSpec, job
from shared.web import Runtime

_HOUR_SECONDS = 3600.0


@job(PROCESS)
async def process(ctx: JobContext) -> dict[str, Any]:
    """To assign and to mail are one transaction with its record: a job that runs again does neither twice."""
    order = Order.model_validate(ctx.payload)
    async with ctx.tx() as tx:
        if done := await repository.find_run(tx, tx.tenant, ctx.job.id):
            return _result(done["wanted"], done["assigned"])
        client = await _client(tx, order.client_id)
        cities = await places.by_ids(tx, client["chosen_cities"])
    codes = [city["merged_into"] or city["code"] for city in cities]
    day = order.day or local_today(ctx.runtime, client)
    troubles = await _refresh(ctx, codes, day)
    await ctx.progress(len(codes), len(codes) + 1, step="assigning", **troubles)
    async with ctx.tx() as tx:
        given = await serve(tx, ctx.runtime, order, day, ctx.job.id)
    await ctx.progress(len(codes) + 1, len(codes) + 1, step="done", **troubles)
    return _result(given.requested, len(given.assigned))


async def _client(tx: Tx, client_id: UUID) -> dict[str, Any]:
    """What cannot be helped by trying again is a PermanentError."""
    client = await clients.get(tx, tx.tenant, client_id)
    if client is None or client["status"] != "active":
        raise PermanentError(f"Client {client_id} not found or inactive")
    if not client["chosen_cities"]:
        raise PermanentError(f"Client {client_id} has no chosen cities")
    if not client["property_type_preferences"]:
        raise PermanentError(f"Client {client_id} has no property types")
    return client


async def _refresh(ctx: JobContext, codes: list[str], day: date) -> dict[str, list[str]]:
    """Have the sales of the client's cities fetched where they are old or few.

    A source that fails does not keep the client waiting: its troubles are shown in the job's progress.
    """
    ages = assignments.window(day, settings_of(ctx.runtime))
    errors: list[str] = []
    for number, code in enumerate(codes):
        await ctx.progress(number, len(codes) + 1, step="fetching sales", city=code)
        report = await refresh_city(ctx, code, start=ages.oldest, end=ages.newest)
        errors += report.errors
    return {"source_errors": errors} if errors else {}


async def serve(tx: Tx, rt: Runtime, order: Order, day: date, job_id: UUID) -> AssignmentResult:
    """Assign, mail and record; all of it is in the caller's transaction."""
    client = await _client(tx, order.client_id)
    period = f"{order.period:%Y-%m}" if order.period else None
    given = await assignments.assign(tx, rt, client, on=day, count=order.count, period=period)
    await repository.record_run(
        tx, tx.tenant, job_id, order.client_id, given.requested, len(given.assigned), rt.clock.now()
    )
    await _tell(tx, rt, client, given, day, f"{order.client_id}:{period or job_id}", job_id)
    return given


async def _tell(
    tx: Tx, rt: Runtime, client: dict[str, Any], given: AssignmentResult, day: date, key: str, job_id: UUID
) -> None:
    """Mail the client, and whom alerts go to when addresses are missing, be it all of them."""
    mailer = await Mailer.of(tx, rt)
    found, client_id = len(given.assigned), client["client_id"]
    if found:
        await mailer.notification(addressee(client), given.assigned, day, key)
    if given.shortage > 0:
        names = await city_names(tx, client)
        ages = given.window
        await mailer.insufficient_addresses(
            Shortage(client, given.requested, found, names, ages.oldest, ages.newest), key
        )
        short = AddressesInsufficient(client_id=client_id, wanted=given.requested, found=found)
        event = new_event("property.addresses.insufficient.v1", short, tenant_id=tx.tenant, subject=key)
        await rt.events.publish(tx, event)
    fact = PropertiesAssigned(client_id=client_id, job_id=job_id, count=found)
    event = new_event("property.properties.assigned.v1", fact, tenant_id=tx.tenant, subject=key)
    await rt.events.publish(tx, event)


def _result(wanted: int, assigned: int) -> dict[str, Any]:
    return {"wanted": wanted, "properties_assigned": assigned}


def specs(settings: Settings) -> tuple[JobSpec, ...]:
    """A failed attempt waits 2^attempt times JOB_RETRY_DELAY_HOURS; after MAX_JOB_RETRIES there is none."""
    hours = settings.job_retry_delay_hours
    return (replace(process, max_attempts=settings.max_job_retries, backoff=hours * _HOUR_SECONDS),)
