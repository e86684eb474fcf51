"""Property sales over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query

from property_service.places import repository as places
from property_service.sales import repository
from property_service.sales.geo import Circle
from property_service.sales.repository import Filters
from property_service.sales.schemas import ATTRIBUTION, PropertyOut, PropertyType, property_out
from shared.database import Tx
from shared.errors import ValidationError
from shared.models.responses import ApiResponse, error_responses
from shared.web import CurrentUser, Page, PageParams, ReadTx

router = APIRouter(prefix="/api/properties", tags=["properties"])
MAX_RADIUS = 30_000
Euros = Annotated[int | None, Query(ge=0, le=10**12)]


@router.get("", responses=error_responses(400, 401, 422))
async def list_properties(
    _: CurrentUser,
    tx: ReadTx,
    page: Page,
    city: Annotated[list[str] | None, Query(max_length=100, description="INSEE codes or city ids")] = None,
    property_type: Annotated[list[PropertyType] | None, Query(alias="type")] = None,
    start: Annotated[date | None, Query(alias="from", description="First day of sale")] = None,
    end: Annotated[date | None, Query(alias="to", description="Last day of sale")] = None,
    near: Annotated[str | None, Query(max_length=60, description="latitude,longitude in degrees")] = None,
    radius: Annotated[int, Query(ge=1, le=MAX_RADIUS, description="In metres, around `near`")] = 1000,
    min_price: Euros = None,
    max_price: Euros = None,
) -> ApiResponse[list[PropertyOut]]:
    """Sold properties: nearest first with `near`, latest first with `city`, else in no telling order.

    A city stands for its arrondissements too. Only sales with coordinates can be near.
    """
    filters = Filters(
        city_codes=await _city_codes(tx, city) if city else None,
        types=property_type,
        start=start,
        end=end,
        min_cents=None if min_price is None else min_price * 100,
        max_cents=None if max_price is None else max_price * 100,
    )
    answer = await _search(tx, page, filters, _circle(near, radius) if near is not None else None)
    answer.meta = {**(answer.meta or {}), "attribution": ATTRIBUTION}
    return answer


async def _search(
    tx: Tx, page: PageParams, filters: Filters, circle: Circle | None
) -> ApiResponse[list[PropertyOut]]:
    pair: Any = (page.value(0), page.value(1)) if page.after else None
    if circle:
        rows = await repository.around(tx, filters, circle, pair, page.fetch_limit)
        return page.respond(rows, lambda row: [row["distance"], row["id"]], property_out)
    if filters.city_codes is not None:
        after = (date.fromisoformat(pair[0]), pair[1]) if pair else None
        rows = await repository.in_cities(tx, filters, after, page.fetch_limit)
        return page.respond(rows, lambda row: [row["sale_date"].isoformat(), row["id"]], property_out)
    rows = await repository.anywhere(tx, filters, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], property_out)


async def _city_codes(tx: Tx, cities: list[str]) -> list[str]:
    """Codes that sales of the cities carry; ValidationError for one that there is not."""
    codes, unknown = await places.resolve(tx, cities)
    if unknown:
        raise ValidationError(f"There is no city {unknown[0]!r}", field="city")
    return codes


def _circle(near: str, radius: int) -> Circle:
    try:
        latitude, longitude = (float(part) for part in near.split(","))
    except ValueError:
        raise ValidationError("near is latitude,longitude, such as 46.2052,5.2460", field="near") from None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise ValidationError("near is no place on Earth", field="near")
    return Circle(latitude, longitude, radius)
