"""Giving clients addresses, and what clients note about them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal
from uuid import UUID

from property_service.assignments import repository
from property_service.assignments.repository import Wish
from property_service.assignments.schemas import (
    AddressInfo,
    ClientProperties,
    NotesIn,
    PropertyDetail,
    PropertyOut,
)
from property_service.clients import service as clients
from property_service.places import repository as places
from property_service.settings import Settings, settings_of
from shared.database import Tx
from shared.errors import NotFoundError
from shared.utils import uuid7
from shared.web import Runtime

_YEAR_DAYS = 365
_SEED_BITS = 63

Reason = Literal["no_cities", "no_types", "too_few"]


@dataclass(frozen=True, slots=True)
class Window:
    """The days on which sales happened that are old enough and not too old, both included."""

    oldest: date
    newest: date


@dataclass(frozen=True, slots=True)
class AssignmentResult:
    """What a draw came to.

    `assigned` has a row for each address in the order drawn: address_id, address_raw, city_name, insee_code,
    postal_code, price_cents (None where it is not known), surface, rooms, property_type, sale_date, status,
    send_date, notes, details. `reason` says why there are fewer than requested, None when there are not.
    """

    draw_id: UUID
    seed: int
    window: Window
    requested: int
    eligible: int
    assigned: list[dict[str, Any]]
    reason: Reason | None
    is_replay: bool

    @property
    def shortage(self) -> int:
        """How many addresses are missing."""
        return self.requested - len(self.assigned)


def window(on: date, settings: Settings) -> Window:
    """Years have 365 days here: 6 to 8 of them, by the settings."""
    return Window(
        oldest=on - timedelta(days=settings.max_property_age_years * _YEAR_DAYS),
        newest=on - timedelta(days=settings.min_property_age_years * _YEAR_DAYS),
    )


async def assign(
    tx: Tx,
    rt: Runtime,
    client: Mapping[str, Any],
    *,
    on: date,
    count: int | None = None,
    period: str | None = None,
    seed: int | None = None,
) -> AssignmentResult:
    """Give a client addresses that they never had, the older sales with the better chances.

    `client` is a row of `clients.service.get`; `count` is what their subscription says unless given; `on` is
    the day from which ages are counted. A `period` is drawn once: again it answers with what it gave
    (`is_replay`). The same `seed` draws the same of the same sales. Too few or none are no error: `shortage`
    and `reason` tell. Runs for one client wait for each other until the transaction ends; `NotFoundError` for
    a client who has been deleted.
    """
    settings = settings_of(rt)
    requested = clients.wanted_addresses(client, settings) if count is None else count
    ages = window(on, settings)
    wish = Wish(
        client_id=client["client_id"],
        draw_id=uuid7(),
        city_codes=await places.sale_codes(tx, client["chosen_cities"]),
        property_types=client["property_type_preferences"],
        oldest=ages.oldest,
        newest=ages.newest,
        count=requested,
        seed=secrets.randbits(_SEED_BITS) if seed is None else seed,
        period=period,
        drawn_on=on,
    )
    draw = await repository.assign(tx, tx.tenant, wish, rt.clock.now())
    if draw is None:
        raise NotFoundError(f"Client {wish.client_id} not found")
    assigned = await repository.of_draw(tx, tx.tenant, draw["id"])
    reason = _reason(client) if len(assigned) < draw["requested"] else None
    return _result(draw, assigned, reason, is_replay=draw["id"] != wish.draw_id)


def _result(
    draw: Mapping[str, Any], assigned: list[dict[str, Any]], reason: Reason | None, *, is_replay: bool
) -> AssignmentResult:
    return AssignmentResult(
        draw_id=draw["id"],
        seed=draw["seed"],
        window=Window(draw["oldest"], draw["newest"]),
        requested=draw["requested"],
        eligible=draw["eligible"],
        assigned=assigned,
        reason=reason,
        is_replay=is_replay,
    )


def _reason(client: Mapping[str, Any]) -> Reason:
    if not client["chosen_cities"]:
        return "no_cities"
    return "too_few" if client["property_type_preferences"] else "no_types"


async def listed(tx: Tx, client_id: UUID, limit: int, offset: int) -> tuple[ClientProperties, date | None]:
    """A page of what a client was given, and the day of the latest data on it; `NotFoundError`."""
    await clients.get(tx, client_id)
    rows = await repository.page(tx, tx.tenant, client_id, limit, offset)
    shown = ClientProperties(
        client_id=client_id,
        total_count=await repository.count(tx, tx.tenant, client_id),
        returned_count=len(rows),
        properties=[PropertyOut(**_shown(row)) for row in rows],
    )
    return shown, max((row["data_of"].date() for row in rows), default=None)


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    cents = row["price_cents"]
    info = AddressInfo(status=row["status"], send_date=row["send_date"], notes=row["notes"])
    return {**row, "price": None if cents is None else round(cents / 100), "client_address_info": info}


async def get(tx: Tx, client_id: UUID, address_id: UUID) -> PropertyDetail:
    """One assigned address with all that is noted about it; `NotFoundError`."""
    found = await repository.get(tx, tx.tenant, client_id, address_id)
    if found is None:
        raise NotFoundError("This client has no such address")
    return PropertyDetail(**_shown(found))


async def note(tx: Tx, rt: Runtime, client_id: UUID, address_id: UUID, body: NotesIn) -> PropertyDetail:
    """Change what is noted about an assigned address; `NotFoundError`."""
    await get(tx, client_id, address_id)
    await repository.note(tx, tx.tenant, client_id, address_id, body.changes(), rt.clock.now())
    return await get(tx, client_id, address_id)


async def reset(tx: Tx, client_id: UUID) -> int:
    """Forget all that a client was given: it may be given again. How many addresses; `NotFoundError`."""
    await clients.get(tx, client_id, lock=True)
    return await repository.reset(tx, tx.tenant, client_id)
