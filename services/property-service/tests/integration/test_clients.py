"""Clients: what is kept of them, who is due when, and how they are forgotten."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from property_service.clients import service
from shared.database import SimpleDatabase
from shared.testing import TokenMint
from shared.utils import uuid7

from .clients_kit import ADA, Clients, Sale, add_city, add_sales, refusal

SEAT = {"first_name": "Bo", "last_name": "Petit", "email": "bo@example.com"}


async def told(db: SimpleDatabase) -> list[dict[str, Any]]:
    """Data of the events about new clients."""
    async with db.system_tx() as tx:
        rows = await tx.fetch(
            "SELECT data FROM outbox WHERE type = 'property.client.registered.v1' ORDER BY id"
        )
    return [row["data"] for row in rows]


async def test_a_client_is_kept_with_all_that_is_given(clients: Clients, db: SimpleDatabase) -> None:
    given = {
        "telephone": "06 12 34 56 78",
        "company_name": "Morel Immobilier",
        "company_address": "1 rue Haute, 01000 Bourg-en-Bresse",
        "subscription_type": "entreprise",
        "status": "test",
        "subscription_start_date": "2026-01-31",
        "subscription_end_date": "2027-01-31",
        "subscription_status": "trialing",
        "stripe_customer_id": "cus_1",
        "stripe_subscription_id": "sub_1",
        "first_report_date": "2026-02-01",
        "send_day": 31,
        "addresses_per_report": 25,
        "chosen_cities": [clients.city_id],
        "property_type_preferences": ["house", "apartment"],
        "template_name": "autumn",
        "info": "Met at the fair.\nCalls back.",
        "role": "admin",
        "language": "en",
        "time_zone": "Indian/Reunion",
    }
    made = await clients.create(**given, seats=[SEAT])
    shown = (await clients.data("GET", f"/admin/client/{made['client_id']}"))["client"]
    assert shown == made
    seat = shown.pop("seats")[0]
    assert seat == SEAT | {"role": "user", "user_id": seat["user_id"]}
    assert shown.items() >= (ADA | given | {"telephone": "+33612345678"}).items()
    assert await told(db) == [
        {"client_id": made["client_id"], "name": "Ada Morel", "email": "ada@example.com"}
    ]


async def test_no_number_of_addresses_means_the_default(clients: Clients) -> None:
    made = await clients.create()
    assert made["addresses_per_report"] == 10
    path = f"/admin/client/{made['client_id']}"
    for number, in_force in ((7, 7), (0, 10), (7, 7), (None, 10)):
        changed = await clients.data("PUT", path, {"addresses_per_report": number})
        assert changed["addresses_per_report"] == in_force


async def test_a_client_is_shown_with_cities_jobs_and_the_number_of_addresses(
    clients: Clients, db: SimpleDatabase
) -> None:
    client_id = await clients.ready()
    await add_sales(db, [Sale(1)])
    await clients.assign(client_id)
    async with db.tenant_tx(clients.tenant_id) as tx:
        job = await clients.rt.jobs.enqueue(
            tx, "client.process", {"client_id": str(client_id)}, tenant_id=clients.tenant_id
        )
    shown = await clients.data("GET", f"/admin/client/{client_id}")
    assert shown["assigned_properties_count"] == 1
    assert [j["job_id"] for j in shown["recent_jobs"]] == [str(job.id)]
    assert shown["cities"] == [
        {
            "city_id": clients.city_id,
            "name": "Bourg-en-Bresse",
            "postal_code": "01053",
            "postal_codes": ["01053", "99999"],
            "insee_code": "01053",
        }
    ]


async def test_what_makes_no_sense_is_refused(clients: Clients) -> None:
    for wrong in ({"send_day": 32}, {"email": "ada.example.com"}, {"credit_card": "4111"}):
        assert (await clients.call("POST", "/admin/clients", ADA | wrong)).status_code == 422


async def test_cities_must_exist(clients: Clients) -> None:
    unknown = str(uuid7())
    wanted = {"chosen_cities": [clients.city_id, unknown]}
    answer = await clients.call("POST", "/admin/clients", ADA | wanted)
    assert refusal(answer) == (400, "UNKNOWN_CITY")
    assert answer.json()["error"]["details"] == {"unknown": [unknown]}
    client_id = await clients.ready()
    assert refusal(await clients.call("PUT", f"/admin/client/{client_id}", wanted)) == (400, "UNKNOWN_CITY")


async def test_an_address_is_one_clients_of_a_tenant(
    clients: Clients, mint: TokenMint, tenant_b: UUID
) -> None:
    first = await clients.create()
    capitals = ADA | {"email": "ADA@example.com"}
    assert refusal(await clients.call("POST", "/admin/clients", capitals)) == (409, "CLIENT_EXISTS")
    other = await clients.create(email="eve@example.com")
    taken = await clients.call("PUT", f"/admin/client/{other['client_id']}", {"email": "Ada@example.com"})
    assert refusal(taken) == (409, "CLIENT_EXISTS")
    elsewhere = Clients(clients.http, mint.headers(tenant_b), clients.rt, tenant_b)
    await elsewhere.create()
    await clients.data("DELETE", f"/admin/client/{first['client_id']}")
    assert (await clients.create())["email"] == "ada@example.com"


async def test_seats_are_replaced_as_a_whole_and_keep_their_ids(clients: Clients) -> None:
    made = await clients.create(seats=[SEAT, SEAT | {"email": "cy@example.com"}])
    path = f"/admin/client/{made['client_id']}"
    changed = [SEAT | {"email": "Bo@example.com", "role": "admin"}, SEAT | {"email": "di@example.com"}]
    shown = (await clients.data("PUT", path, {"seats": changed}))["seats"]
    assert [(s["email"], s["role"]) for s in shown] == [
        ("Bo@example.com", "admin"),
        ("di@example.com", "user"),
    ]
    assert shown[0]["user_id"] == made["seats"][0]["user_id"]
    assert (await clients.data("PUT", path, {"send_day": 2}))["seats"] == shown
    taken = await clients.call(
        "POST", "/admin/clients", ADA | {"email": "eve@example.com", "seats": changed[1:]}
    )
    assert refusal(taken) == (409, "SEAT_EXISTS")
    assert (await clients.data("PUT", path, {"seats": []}))["seats"] == []


async def test_only_given_fields_change(clients: Clients) -> None:
    made = await clients.create(company_name="Morel", send_day=15)
    path = f"/admin/client/{made['client_id']}"
    changed = await clients.data("PUT", path, {"company_name": None, "status": "inactive"})
    same = made.keys() - {"company_name", "status", "updated_at"}
    assert {name: changed[name] for name in same} == {name: made[name] for name in same}
    assert (changed["company_name"], changed["status"]) == (None, "inactive")
    assert (await clients.call("PUT", path, {"status": None})).status_code == 422
    await clients.data("PUT", path, {"subscription_start_date": "2026-05-01"})
    refused = await clients.call("PUT", path, {"subscription_end_date": "2026-04-30"})
    assert refused.status_code == 422
    assert refused.json()["error"]["field"] == "subscription_end_date"


async def test_clients_are_listed_by_status_in_pages(clients: Clients) -> None:
    made = [
        await clients.create(email=f"c{n}@example.com", status="active" if n % 2 else "pending")
        for n in range(5)
    ]
    answer = (await clients.call("GET", "/admin/clients?status=pending&limit=2&offset=1")).json()
    assert [c["client_id"] for c in answer["data"]] == [made[2]["client_id"], made[0]["client_id"]]
    assert answer["meta"] == {"limit": 2, "offset": 1, "total": 3}
    assert len(await clients.data("GET", "/admin/clients")) == 5


async def test_a_deleted_client_is_gone_from_lists_and_paths(clients: Clients) -> None:
    client_id = (await clients.create(seats=[SEAT]))["client_id"]
    path = f"/admin/client/{client_id}"
    assert await clients.data("DELETE", path) == {"client_id": client_id}
    assert await clients.data("GET", "/admin/clients") == []
    for method, rest in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/reset-assignments")):
        answer = await clients.call(method, path + rest, {} if method == "PUT" else None)
        assert refusal(answer) == (404, "NOT_FOUND")
    assert (await clients.create(email="eve@example.com", seats=[SEAT]))["seats"][0]["email"] == SEAT["email"]


async def test_clients_are_an_admins_business(clients: Clients, mint: TokenMint) -> None:
    client_id = (await clients.create())["client_id"]
    paths = ["/admin/clients", f"/admin/client/{client_id}", f"/admin/client/{client_id}/export"]
    for path in paths:
        operator = mint.headers(clients.tenant_id, "operator")
        assert (await clients.http.get(path, headers=operator)).status_code == 403
        key = mint.headers(clients.tenant_id, "admin", knd="api_key", scope="admin write read")
        assert (await clients.http.get(path, headers=key)).status_code == 200


LAST_DAYS = {
    date(2026, 2, 27): {27},
    date(2026, 2, 28): {28, 29, 30, 31},
    date(2028, 2, 28): {28},
    date(2028, 2, 29): {29, 30, 31},
    date(2026, 4, 30): {30, 31},
    date(2026, 5, 30): {30},
    date(2026, 5, 31): {31},
    date(2026, 6, 1): {1},
}


async def test_the_last_day_stands_for_the_days_a_month_has_not(clients: Clients) -> None:
    for day in (1, 27, 28, 29, 30, 31):
        await clients.create(email=f"d{day}@example.com", send_day=day)
    async with clients.rt.db.tenant_tx(clients.tenant_id) as tx:
        due = {on: {row["send_day"] for row in await service.due_on(tx, on)} for on in LAST_DAYS}
    assert due == LAST_DAYS


async def test_only_clients_in_service_are_due(clients: Clients) -> None:
    on = date(2026, 3, 10)
    cases: dict[str, dict[str, Any]] = {
        "plain": {},
        "first today": {"first_report_date": "2026-03-10"},
        "first tomorrow": {"first_report_date": "2026-03-11"},
        "last day": {"subscription_end_date": "2026-03-10"},
        "over": {"subscription_end_date": "2026-03-09"},
        **{status: {"status": status} for status in ("inactive", "test", "pending")},
    }
    for name, fields in cases.items():
        email = f"{name.replace(' ', '.')}@example.com"
        await clients.create(last_name=name, email=email, send_day=10, **fields)
    async with clients.rt.db.tenant_tx(clients.tenant_id) as tx:
        due = {row["last_name"] for row in await service.due_on(tx, on)}
    assert due == {"plain", "first today", "last day"}


async def test_all_that_is_kept_can_be_taken_along(clients: Clients, db: SimpleDatabase) -> None:
    client_id = await clients.ready(telephone="+33612345678", seats=[SEAT])
    await add_sales(db, [Sale(1)])
    await clients.assign(client_id, period="2026-11")
    await clients.data(
        "PATCH", f"/api/client-properties/{client_id}/{Sale(1).id}", {"notes": "Blue door", "floor": 2}
    )
    for _ in range(2):
        kept = await clients.data("GET", f"/admin/client/{client_id}/export")
        assert (kept["client"]["telephone"], kept["seats"][0]["email"]) == ("+33612345678", SEAT["email"])
        (given,) = kept["assignments"]
        assert (given["address_raw"], given["notes"], given["details"]) == (
            "1 RUE",
            "Blue door",
            {"floor": 2},
        )
        assert [draw["period"] for draw in kept["draws"]] == ["2026-11"]
        # A deleted client still has the right to it.
        await clients.call("DELETE", f"/admin/client/{client_id}")


async def test_an_erased_client_has_left_nothing(clients: Clients, db: SimpleDatabase) -> None:
    client_id = await clients.ready(company_name="Morel", info="Met at the fair", seats=[SEAT])
    await add_sales(db, [Sale(1), Sale(2)])
    await clients.assign(client_id)
    path = f"/admin/client/{client_id}"
    await clients.data("DELETE", path)
    erased = await clients.data("POST", f"{path}/erase")
    assert (erased["deleted_assignments"], erased["deleted_seats"]) == (2, 1)
    async with db.system_tx() as tx:
        left = await tx.fetch(
            """SELECT to_jsonb(c)::text AS row FROM client c
               UNION ALL SELECT to_jsonb(s)::text FROM client_seat s
               UNION ALL SELECT to_jsonb(a)::text FROM assignment a
               UNION ALL SELECT to_jsonb(d)::text FROM assignment_draw d"""
        )
    assert len(left) == 1
    for word in ("Ada", "Morel", "example.com", "fair", clients.city_id):
        assert word not in left[0]["row"]
    for method, rest in (("GET", ""), ("GET", "/export"), ("POST", "/erase")):
        assert refusal(await clients.call(method, path + rest)) == (404, "NOT_FOUND")
    assert (await clients.create())["email"] == ADA["email"]


async def test_another_tenants_clients_are_not_there(
    clients: Clients, mint: TokenMint, tenant_b: UUID, db: SimpleDatabase
) -> None:
    await add_city(db, "01004", "Ambérieu-en-Bugey")
    client_id = await clients.ready()
    other = Clients(clients.http, mint.headers(tenant_b), clients.rt, tenant_b)
    assert await other.data("GET", "/admin/clients") == []
    for rest in ("", "/export"):
        assert refusal(await other.call("GET", f"/admin/client/{client_id}{rest}")) == (404, "NOT_FOUND")
