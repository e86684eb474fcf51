"""French communes over HTTP."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query

from property_service.places import repository
from property_service.places.names import search_name
from property_service.places.schemas import CityOut, city_out
from shared.models.responses import ApiResponse, error_responses
from shared.web import CurrentUser, Page, ReadTx

router = APIRouter(prefix="/api/cities", tags=["cities"])
_NUMBER = re.compile(r"^\d[\dAB]?\d{0,3}\Z")


@router.get("", responses=error_responses(400, 401, 422))
async def list_cities(
    _: CurrentUser,
    tx: ReadTx,
    page: Page,
    q: Annotated[
        str, Query(max_length=100, description="Beginning of a name's word, a postal or an INSEE code")
    ] = "",
    department: Annotated[str | None, Query(pattern=r"^(\d{2,3}|2[AB])$")] = None,
) -> ApiResponse[list[CityOut]]:
    """Cities by name, without regard to accents, case and hyphens; former communes lead to today's."""
    text = q.strip().upper()
    number = text if _NUMBER.match(text) else ""
    name = "" if number else search_name(q)
    after = (page.value(0), page.value(1)) if page.after else None
    if text and not number and not name:
        return page.respond([], lambda row: [row["name"], row["code"]], city_out)
    rows = await repository.search(tx, name, number, department, after, page.fetch_limit)
    return page.respond(rows, lambda row: [row["name"], row["code"]], city_out)
