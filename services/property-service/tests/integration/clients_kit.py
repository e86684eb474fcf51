"""Clients as one caller keeps them, and sales to give them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid5

import httpx

from property_service.assignments import service as assignments
from property_service.assignments.service import AssignmentResult
from property_service.clients import service as clients
from shared.database import SimpleDatabase
from shared.web import Runtime

TODAY = date(2026, 11, 20)
NEWEST = TODAY - timedelta(days=6 * 365)
OLDEST = TODAY - timedelta(days=8 * 365)
ADA = {"first_name": "Ada", "last_name": "Morel", "email": "ada@example.com"}
_NAMES = UUID("6b1de3d4-0000-8000-8000-000000000000")


@dataclass(frozen=True)
class Sale:
    """Ids follow from `number` and `address`, so that draws with a seed are the same in every run."""

    number: int
    on: date = OLDEST
    city: str = "01053"
    type: str = "house"
    address: str = ""
    cents: int | None = 250_000_00
    is_latest: bool = True

    @property
    def id(self) -> UUID:
        return uuid5(_NAMES, f"sale {self.number}")

    @property
    def address_key(self) -> UUID:
        return uuid5(_NAMES, self.address or f"address {self.number}")


def daily(count: int, first: int = 0, **fields: Any) -> list[Sale]:
    """Sales on as many days, from the oldest day that counts on."""
    return [Sale(first + n, OLDEST + timedelta(days=n), **fields) for n in range(count)]


async def add_city(db: SimpleDatabase, code: str, name: str, parent: str | None = None) -> str:
    """The id of the new city, as text."""
    async with db.plain_tx() as tx:
        return str(
            await tx.fetchval(
                """INSERT INTO city (code, name, search_key, postal_codes, department, parent_code, source)
                   VALUES ($1, $2, '|' || upper($2), ARRAY[$1, '99999'], left($1, 2), $3, 'laposte')
                   RETURNING id""",
                code,
                name,
                parent,
            )
        )


async def add_sales(db: SimpleDatabase, sales: Iterable[Sale]) -> None:
    rows = [
        (s.id, s.city, f"{s.number} RUE", s.address_key, s.on, s.type, s.cents, s.is_latest) for s in sales
    ]
    async with db.plain_tx() as tx:
        await tx.execute(
            """INSERT INTO sale
                   (id, city_code, address_raw, address_key, sale_date, property_type, price_cents, is_latest,
                    mutation_id, postal_code, surface, rooms, nature, parcel, source, source_year)
               SELECT *, id, city, 90, 4, 'sale', 'A', 'test', 2018
               FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::date[], $6::text[],
                           $7::bigint[], $8::boolean[]) AS s (id, city)""",
            *(list(column) for column in zip(*rows, strict=True)),
        )


@dataclass
class Clients:
    """`rt` is the running service's."""

    http: httpx.AsyncClient
    headers: dict[str, str]
    rt: Runtime
    tenant_id: UUID
    city_id: str = field(default="")

    async def call(self, method: str, path: str, json: Any = None) -> httpx.Response:
        return await self.http.request(method, path, json=json, headers=self.headers)

    async def data(self, method: str, path: str, json: Any = None) -> Any:
        answer = await self.call(method, path, json)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()["data"]

    async def create(self, **fields: Any) -> dict[str, Any]:
        made: dict[str, Any] = await self.data("POST", "/admin/clients", ADA | fields)
        return made

    async def ready(self, **fields: Any) -> UUID:
        """A client who wants houses in the city."""
        wants = {"chosen_cities": [self.city_id], "property_type_preferences": ["house"]}
        return UUID((await self.create(**wants | fields))["client_id"])

    async def assign(self, client_id: UUID, **how: Any) -> AssignmentResult:
        """One run, in a transaction of its own."""
        async with self.rt.db.tenant_tx(self.tenant_id) as tx:
            client = await clients.get(tx, client_id)
            return await assignments.assign(tx, self.rt, client, **{"on": TODAY} | how)


def ids(given: AssignmentResult) -> list[UUID]:
    return [row["address_id"] for row in given.assigned]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def in_order(sales: Sequence[Sale]) -> list[UUID]:
    return [sale.id for sale in sales]
