"""A tenant with clients and sales on a clock that tests move, and the mails it asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from fastapi import FastAPI

from property_service.clients import service as clients
from property_service.clients.schemas import ClientIn, ClientOut
from property_service.places import repository as places
from property_service.places import service as cities
from shared.database import SimpleDatabase
from shared.events import MessageContext, new_event
from shared.events.consumer import Handler
from shared.testing.clock import FakeClock
from shared.testing.identities import TokenMint
from shared.utils import uuid7
from shared.web import Runtime

NOON = datetime(2027, 3, 15, 11, 0, tzinfo=UTC)
NANTUA, IZERNORE = ("01269", "Nantua"), ("01192", "Izernore")
#: Old enough and not too old on every day of the simulated years 2027 and 2028.
SOLD_ON = date(2020, 11, 3)


@dataclass
class Agency:
    """`rt` runs nothing by itself: `run_jobs` does, and published events stay in the outbox."""

    app: FastAPI
    http: httpx.AsyncClient
    db: SimpleDatabase
    clock: FakeClock
    mint: TokenMint
    tenant: UUID
    dsn: str
    _clients: int = field(default=0)

    @property
    def rt(self) -> Runtime:
        runtime: Runtime = self.app.state.runtime
        return runtime

    def headers(self, role: Any = "owner") -> dict[str, str]:
        now = int(self.clock.now().timestamp())
        return self.mint.headers(self.tenant, role, iat=now, exp=now + 600)

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.http.request(method, path, json=body, headers=self.headers())

    async def data(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.call(method, path, body)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    async def neighbour(self) -> Agency:
        """Another tenant of the same service."""
        return Agency(self.app, self.http, self.db, self.clock, self.mint, uuid7(), self.dsn)

    async def forget_jobs(self) -> None:
        """As if all jobs had run and been cleaned up."""
        async with self.db.tenant_tx(self.tenant) as tx:
            await tx.execute("DELETE FROM job WHERE tenant_id = $1", self.tenant)

    async def city(self, place: tuple[str, str] = NANTUA) -> UUID:
        code, name = place
        async with self.db.system_tx() as tx:
            await places.add_missing(tx, [cities.city(code, name, ["01130"])], "laposte")
            found = await places.get(tx, code)
        assert found is not None
        city_id: UUID = found["id"]
        return city_id

    async def sell(
        self,
        number: int,
        place: tuple[str, str] = NANTUA,
        *,
        on: date = SOLD_ON,
        price: int | None = 21_000_000,
    ) -> None:
        """So many houses, each at an address of its own."""
        async with self.db.system_tx() as tx:
            await tx.execute(
                """INSERT INTO sale (id, mutation_id, city_code, address_raw, address_key, sale_date,
                       property_type, surface, rooms, price_cents, nature, parcel, source, source_year)
                   SELECT u.id, u.id, $2, n || ' RUE DU LAC', gen_random_uuid(), $3, 'house', 92, 4, $4,
                       'sale', 'AB' || n, 'test', 2020
                   FROM unnest($1::uuid[]) WITH ORDINALITY AS u (id, n)""",
                [uuid7() for _ in range(number)],
                place[0],
                on,
                price,
            )

    async def client(self, send_day: int = 15, **fields: Any) -> ClientOut:
        """One that wants houses in Nantua."""
        self._clients += 1
        wanted = {
            "first_name": "Zoé",
            "last_name": f"Numéro {self._clients}",
            "email": f"client{self._clients}@example.com",
            "send_day": send_day,
            "property_type_preferences": ["house"],
        } | fields
        if "chosen_cities" not in wanted:
            wanted["chosen_cities"] = [await self.city()]
        async with self.db.tenant_tx(self.tenant) as tx:
            return await clients.create(tx, self.rt, ClientIn.model_validate(wanted))

    async def name_alerts(self, address: str = "alerts@example.com", **fields: Any) -> None:
        await self.data("PUT", "/admin/settings", {"brand_name": "Vallon", "alert_email": address, **fields})

    async def break_down(self, message: str = "the disk is full") -> None:
        """From now on the database refuses to record that a client was served."""
        await self._as_owner(
            f"""CREATE FUNCTION property.refuse() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE EXCEPTION '{message}'; END $$;
               CREATE TRIGGER refuse BEFORE INSERT ON property.client_run
               EXECUTE FUNCTION property.refuse()"""
        )

    async def repair(self) -> None:
        await self._as_owner("DROP TRIGGER refuse ON property.client_run")

    async def _as_owner(self, statements: str) -> None:
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute(statements)
        finally:
            await connection.close()

    async def handle(self, handler: Handler, kind: str, data: dict[str, Any]) -> None:
        """Give one event to a consumer of the service, as the bus does."""
        event = new_event(kind, data, tenant_id=self.tenant)
        async with self.db.tenant_tx(self.tenant) as tx:
            await handler(MessageContext(event, self.rt, "test", 1, tx))

    async def run_jobs(self) -> int:
        """Run what is due, and what that sets off."""
        return await self.rt.jobs.run_due()

    async def pass_time(self, **span: float) -> None:
        self.clock.advance(timedelta(**span).total_seconds())

    async def events(self, kind: str = "message.requested.v1") -> list[dict[str, Any]]:
        """Data of the events that were published, in order."""
        rows = await self.db.query(
            "SELECT data FROM outbox WHERE type = $1 ORDER BY id", [kind], tenant_id=self.tenant
        )
        return [row["data"] for row in rows]

    async def mails(self, template: str | None = None) -> list[dict[str, Any]]:
        """Requests for mails, of one template."""
        found = await self.events()
        return [mail for mail in found if template is None or mail["template"] == f"property.{template}"]

    async def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.data("GET", f"/api/job-status/{job_id}")
        return found

    async def assigned(self, client: ClientOut) -> int:
        rows = await self.db.query(
            "SELECT count(*) AS number FROM assignment WHERE tenant_id = $1 AND client_id = $2",
            [self.tenant, client.client_id],
            tenant_id=self.tenant,
        )
        number: int = rows[0]["number"]
        return number
