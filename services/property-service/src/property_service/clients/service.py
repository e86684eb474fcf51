"""Rules of clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from property_service.assignments import repository as assignments
from property_service.clients import repository
from property_service.clients.errors import UnknownCityError
from property_service.clients.schemas import (
    CityBrief,
    ClientBrief,
    ClientDetail,
    ClientIn,
    ClientOut,
    ClientUpdate,
    JobBrief,
)
from property_service.places import repository as places
from property_service.settings import Settings, settings_of
from shared.database import Tx
from shared.errors import NotFoundError, UnprocessableError
from shared.events.envelope import new_event
from shared.web import Runtime

_RECENT_JOBS = 10


def wanted_addresses(client: Mapping[str, Any], settings: Settings) -> int:
    """How many addresses a report of the client has."""
    return client["addresses_per_report"] or settings.default_addresses_per_report


def full_name(client: Mapping[str, Any]) -> str:
    return f"{client['first_name']} {client['last_name']}"


async def create(tx: Tx, rt: Runtime, body: ClientIn) -> ClientOut:
    """A new client; `property.client.registered.v1` tells it. Raises ClientExistsError, SeatExistsError,
    UnknownCityError.
    """
    fields = body.model_dump()
    await _check_cities(tx, body.chosen_cities)
    now = rt.clock.now()
    client_id = await repository.insert(tx, tx.tenant, fields, now)
    await repository.put_seats(tx, tx.tenant, client_id, fields["seats"], now)
    fact = {"client_id": str(client_id), "name": full_name(fields), "email": body.email}
    event = new_event("property.client.registered.v1", fact, tenant_id=tx.tenant, subject=str(client_id))
    await rt.events.publish(tx, event)
    return await show(tx, rt, client_id)


async def _check_cities(tx: Tx, chosen: Sequence[UUID]) -> None:
    known = {city["id"] for city in await places.by_ids(tx, chosen)} if chosen else set()
    unknown = [str(city_id) for city_id in chosen if city_id not in known]
    if unknown:
        raise UnknownCityError(
            "Some of the cities do not exist", field="chosen_cities", details={"unknown": unknown}
        )


def _check_dates(client: Mapping[str, Any]) -> None:
    start, end = client["subscription_start_date"], client["subscription_end_date"]
    if start and end and end < start:
        raise UnprocessableError(
            "subscription_end_date lies before subscription_start_date", field="subscription_end_date"
        )


async def get(tx: Tx, client_id: UUID, *, lock: bool = False) -> dict[str, Any]:
    """A client's row; `NotFoundError` for an unknown, foreign or deleted one."""
    found = await repository.get(tx, tx.tenant, client_id, lock=lock)
    if found is None:
        raise NotFoundError(f"Client {client_id} not found")
    return found


async def get_active(tx: Tx, client_id: UUID) -> dict[str, Any]:
    """The same of one that is served; `NotFoundError` for others too."""
    found = await repository.get(tx, tx.tenant, client_id)
    if found is None or found["status"] != "active":
        raise NotFoundError(f"Client {client_id} not found or inactive")
    return found


async def show(tx: Tx, rt: Runtime, client_id: UUID) -> ClientOut:
    """A client with their seats."""
    found = await get(tx, client_id)
    seats = await repository.seats(tx, tx.tenant, client_id)
    return ClientOut(**_in_force(found, settings_of(rt)), seats=seats)


def brief(client: Mapping[str, Any], settings: Settings) -> ClientBrief:
    return ClientBrief(**_in_force(client, settings))


def _in_force(client: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    return {**client, "addresses_per_report": wanted_addresses(client, settings)}


async def detail(tx: Tx, rt: Runtime, client_id: UUID) -> ClientDetail:
    """A client with what they got, what was done for them lately, and their cities."""
    client = await show(tx, rt, client_id)
    jobs = await repository.recent_jobs(tx, tx.tenant, client_id, _RECENT_JOBS)
    cities = await places.by_ids(tx, client.chosen_cities)
    return ClientDetail(
        client=client,
        assigned_properties_count=await assignments.count(tx, tx.tenant, client_id),
        recent_jobs=[JobBrief(**job) for job in jobs],
        cities=[_city(city) for city in cities],
    )


def _city(row: Mapping[str, Any]) -> CityBrief:
    codes = row["postal_codes"]
    return CityBrief(
        city_id=row["id"],
        name=row["name"],
        postal_code=codes[0] if codes else None,
        postal_codes=codes,
        insee_code=row["code"],
    )


async def update(tx: Tx, rt: Runtime, client_id: UUID, body: ClientUpdate) -> ClientOut:
    """Change the given fields. Raises as `create` does."""
    found = await get(tx, client_id, lock=True)
    changes = body.changes()
    _check_dates(found | changes)
    await _check_cities(tx, changes.get("chosen_cities", ()))
    now = rt.clock.now()
    await repository.update(tx, tx.tenant, client_id, changes, now)
    if "seats" in changes:
        await repository.put_seats(tx, tx.tenant, client_id, changes["seats"], now)
    return await show(tx, rt, client_id)


async def delete(tx: Tx, rt: Runtime, client_id: UUID) -> None:
    """Serve a client no more. What they got is kept until they are erased."""
    await get(tx, client_id, lock=True)
    await repository.delete(tx, tx.tenant, client_id, rt.clock.now())


async def due_on(tx: Tx, on: date) -> list[dict[str, Any]]:
    """Rows of the clients whose report is due on a day: see `repository.due_on`."""
    return await repository.due_on(tx, tx.tenant, on)
