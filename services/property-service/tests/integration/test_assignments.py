"""Who is given what: age, place, kind, never twice, and by a fair draw."""

from __future__ import annotations

import asyncio
import itertools
import math
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from property_service.assignments.service import window
from property_service.settings import Settings
from shared.database import SimpleDatabase
from shared.errors import NotFoundError
from shared.testing import TokenMint
from shared.utils import uuid7

from .clients_kit import (
    NEWEST,
    OLDEST,
    TODAY,
    Clients,
    Sale,
    add_city,
    add_sales,
    daily,
    ids,
    in_order,
    refusal,
)

_DAY = timedelta(days=1)


_AS_ASSIGNED = "SET LOCAL jit = off; SET LOCAL enable_nestloop = off"
_DRAWS = """FROM generate_series(1, $1::int) AS seed
    CROSS JOIN LATERAL pick_sales($2, $2, '{01053}', '{house}', $3, $4, $5, seed) p"""


async def odds(clients: Clients, draws: int, count: int) -> dict[UUID, int]:
    """How often each sale is drawn in so many draws, which have no effect."""
    async with clients.rt.db.tenant_tx(clients.tenant_id) as tx:
        await tx.execute(_AS_ASSIGNED)
        rows = await tx.fetch(
            f"SELECT p.sale_id, count(*) AS times {_DRAWS} GROUP BY 1",
            draws,
            clients.tenant_id,
            OLDEST,
            NEWEST,
            count,
        )
    return {row["sale_id"]: row["times"] for row in rows}


async def different(clients: Clients, draws: int, count: int) -> set[int]:
    """The numbers of different sales in so many draws."""
    async with clients.rt.db.tenant_tx(clients.tenant_id) as tx:
        await tx.execute(_AS_ASSIGNED)
        rows = await tx.fetch(
            f"SELECT DISTINCT count(DISTINCT p.sale_id) AS n {_DRAWS} GROUP BY seed",
            draws,
            clients.tenant_id,
            OLDEST,
            NEWEST,
            count,
        )
    return {row["n"] for row in rows}


def inclusion(weights: list[int], count: int) -> list[float]:
    """The chance of each to be among `count` drawn one after the other, by going through all orders."""
    chances = [0.0] * len(weights)
    for order in itertools.permutations(range(len(weights)), count):
        chance, left = 1.0, sum(weights)
        for one in order:
            chance *= weights[one] / left
            left -= weights[one]
        for one in order:
            chances[one] += chance
    return chances


def far(times: int, chance: float, draws: int) -> float:
    """How many standard errors a count lies from what is expected."""
    return abs(times - chance * draws) / math.sqrt(draws * chance * (1 - chance))


async def test_the_older_a_sale_the_better_its_chance_as_in_draws_one_after_the_other(
    clients: Clients, db: SimpleDatabase
) -> None:
    sales, draws = daily(10), 200_000
    await add_sales(db, sales)
    times = await odds(clients, draws, 3)
    expected = inclusion(list(range(10, 0, -1)), 3)
    assert [round(expected[n], 3) for n in (0, 4, 9)] == [0.504, 0.336, 0.062]
    assert max(far(times[sales[n].id], expected[n], draws) for n in range(10)) < 4
    assert sum(times.values()) == 3 * draws
    assert await different(clients, draws, 3) == {3}


async def test_sales_of_one_day_have_one_chance(clients: Clients, db: SimpleDatabase) -> None:
    """Their ranks 4, 3 and 2 count as 3 each: an id is no age."""
    sales = [Sale(0), *(Sale(n, OLDEST + _DAY) for n in (1, 2, 3)), Sale(4, OLDEST + 2 * _DAY)]
    await add_sales(db, sales)
    draws, expected = 50_000, inclusion([5, 3, 3, 3, 1], 2)
    times = await odds(clients, draws, 2)
    assert max(far(times[sales[n].id], expected[n], draws) for n in range(5)) < 4


@pytest.mark.parametrize("eligible", [12, 20, 60, 10, 3])
async def test_a_draw_never_fails_and_never_repeats(
    clients: Clients, db: SimpleDatabase, eligible: int
) -> None:
    await add_sales(db, daily(eligible))
    assert await different(clients, 2_000, 10) == {min(eligible, 10)}


async def test_sales_count_from_six_to_eight_years_of_365_days(clients: Clients, db: SimpleDatabase) -> None:
    inside = [Sale(1, OLDEST), Sale(2, NEWEST)]
    await add_sales(db, [*inside, Sale(3, OLDEST - _DAY), Sale(4, NEWEST + _DAY)])
    given = await clients.assign(await clients.ready())
    assert {row["sale_date"] for row in given.assigned} == {OLDEST, NEWEST}
    assert (given.requested, given.eligible, given.shortage, given.reason) == (10, 2, 8, "too_few")
    assert (given.window.oldest, given.window.newest) == (OLDEST, NEWEST)


def test_the_ages_are_settings() -> None:
    ages = window(TODAY, Settings(min_property_age_years=1, max_property_age_years=2))
    assert (TODAY - ages.newest, TODAY - ages.oldest) == (365 * _DAY, 730 * _DAY)


async def test_only_chosen_cities_and_types_count(clients: Clients, db: SimpleDatabase) -> None:
    lyon = await add_city(db, "69123", "Lyon")
    await add_city(db, "69383", "Lyon 3e Arrondissement", parent="69123")
    there = [Sale(1, city="69383"), Sale(2, city="69383", type="apartment")]
    await add_sales(db, [*there, Sale(3), Sale(4, city="69383", type="land")])
    client_id = await clients.ready(chosen_cities=[lyon], property_type_preferences=["house", "apartment"])
    given = await clients.assign(client_id)
    assert set(ids(given)) == set(in_order(there))
    assert {row["city_name"] for row in given.assigned} == {"Lyon 3e Arrondissement"}


async def test_nothing_chosen_is_a_shortage_with_its_reason(clients: Clients, db: SimpleDatabase) -> None:
    await add_sales(db, daily(3))
    for empty, reason in (("chosen_cities", "no_cities"), ("property_type_preferences", "no_types")):
        client_id = await clients.ready(email=f"{reason}@example.com", **{empty: []})
        given = await clients.assign(client_id, count=4)
        assert (given.assigned, given.eligible, given.shortage, given.reason) == ([], 0, 4, reason)


async def test_the_default_number_is_drawn_where_none_is_given(clients: Clients, db: SimpleDatabase) -> None:
    await add_sales(db, daily(40))
    client_id = await clients.ready(addresses_per_report=0)
    assert len((await clients.assign(client_id)).assigned) == 10
    await clients.data("PUT", f"/admin/client/{client_id}", {"addresses_per_report": 3})
    assert len((await clients.assign(client_id)).assigned) == 3
    # What is missing is counted from what was asked for, not from what a report has.
    extra = await clients.assign(client_id, count=30)
    assert (len(extra.assigned), extra.shortage) == (27, 3)


async def test_an_address_is_given_once_whatever_the_sale(clients: Clients, db: SimpleDatabase) -> None:
    client_id = await clients.ready()
    await add_sales(db, [Sale(1, address="1 RUE HAUTE")])
    assert len((await clients.assign(client_id)).assigned) == 1
    # Sold again; and the sale that was given is now filed under a corrected address.
    await add_sales(db, [Sale(2, address="1 RUE HAUTE")])
    async with db.plain_tx() as tx:
        await tx.execute("UPDATE sale SET address_key = $1 WHERE id = $2", uuid7(), Sale(1).id)
    again = await clients.assign(client_id)
    assert (again.assigned, again.eligible) == ([], 0)


async def test_of_the_sales_of_an_address_only_the_latest_counts(
    clients: Clients, db: SimpleDatabase
) -> None:
    sales = [
        Sale(1, OLDEST, address="1 RUE HAUTE", is_latest=False),
        Sale(2, OLDEST + _DAY, address="1 RUE HAUTE"),
    ]
    await add_sales(db, sales)
    assert ids(await clients.assign(await clients.ready())) == [Sale(2).id]


async def test_the_database_refuses_an_address_twice(clients: Clients, db: SimpleDatabase) -> None:
    client_id = await clients.ready()
    await add_sales(db, [Sale(1, address="1 RUE HAUTE"), Sale(2, address="1 RUE HAUTE", is_latest=False)])
    await clients.assign(client_id)
    for sale in (Sale(1), Sale(2)):
        with pytest.raises(asyncpg.UniqueViolationError):
            async with db.tenant_tx(clients.tenant_id) as tx:
                await tx.execute(
                    """INSERT INTO assignment (tenant_id, client_id, sale_id, address_key, draw_id, place,
                                               send_date, updated_at)
                       SELECT tenant_id, client_id, $1, address_key, draw_id, 2, now(), now()
                       FROM assignment""",
                    sale.id,
                )


async def test_a_seed_draws_the_same_again(clients: Clients, db: SimpleDatabase) -> None:
    await add_sales(db, daily(100))
    drawn: list[list[UUID]] = []
    for seed in (7, 7, 8):
        client_id = await clients.ready(email=f"c{len(drawn)}@example.com")
        given = await clients.assign(client_id, seed=seed)
        assert given.seed == seed
        drawn.append(ids(given))
    assert drawn[0] == drawn[1] != drawn[2]
    free = await clients.assign(await clients.ready(email="free@example.com"))
    # The seed that was made up is kept, so that the draw can be done again.
    again = await clients.assign(await clients.ready(email="again@example.com"), seed=free.seed)
    assert ids(again) == ids(free)


async def test_a_period_is_drawn_once(clients: Clients, db: SimpleDatabase) -> None:
    await add_sales(db, daily(40))
    client_id = await clients.ready()
    first = await clients.assign(client_id, period="2026-11")
    runs = await asyncio.gather(*(clients.assign(client_id, period="2026-11") for _ in range(5)))
    assert all(run.is_replay and ids(run) == ids(first) for run in runs)
    assert all(run.eligible == first.eligible == 40 for run in runs)
    december = await clients.assign(client_id, period="2026-12")
    assert not december.is_replay
    assert not set(ids(december)) & set(ids(first))


async def test_runs_at_once_give_every_address_once(clients: Clients, db: SimpleDatabase) -> None:
    sales = daily(75)
    await add_sales(db, sales)
    client_id = await clients.ready()
    runs = await asyncio.gather(*(clients.assign(client_id, count=10) for _ in range(8)))
    given = [address for run in runs for address in ids(run)]
    assert sorted(given) == sorted(in_order(sales))
    assert sorted(run.shortage for run in runs) == [0] * 7 + [5]


async def test_a_client_with_thousands_of_addresses_gets_what_is_left(
    clients: Clients, db: SimpleDatabase
) -> None:
    sales = [Sale(n, OLDEST + timedelta(days=n % 700)) for n in range(5_005)]
    await add_sales(db, sales)
    client_id = await clients.ready()
    before = await clients.assign(client_id, count=5_000)
    after = await clients.assign(client_id)
    assert (after.eligible, after.shortage) == (5, 5)
    assert set(ids(after)) == set(in_order(sales)) - set(ids(before))
    page = await clients.data("GET", f"/api/get-client-properties/{client_id}?limit=1000&offset=4500")
    assert (page["total_count"], page["returned_count"]) == (5_005, 505)


async def test_a_deleted_client_is_given_nothing(clients: Clients, db: SimpleDatabase) -> None:
    await add_sales(db, daily(3))
    client_id = await clients.ready()

    async def delete_first() -> None:
        await clients.data("DELETE", f"/admin/client/{client_id}")

    async with db.tenant_tx(clients.tenant_id) as tx:
        await tx.execute("SELECT FROM client WHERE id = $1 FOR NO KEY UPDATE", client_id)
        deleting = asyncio.create_task(delete_first())
        await _waits_for_a_lock(db)
        run = asyncio.create_task(clients.assign(client_id))
        await _waits_for_a_lock(db, 2)
    await deleting
    with pytest.raises(NotFoundError):
        await run


async def _waits_for_a_lock(db: SimpleDatabase, how_many: int = 1) -> None:
    """Until so many statements of this database wait."""
    for _ in range(6000):
        rows = await db.query(
            """SELECT count(*) AS n FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock'"""
        )
        if rows[0]["n"] >= how_many:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")


async def test_what_a_client_was_given_is_listed_latest_first(clients: Clients, db: SimpleDatabase) -> None:
    await add_sales(db, [*daily(11), Sale(20, OLDEST, cents=None)])
    client_id = await clients.ready()
    first = await clients.assign(client_id, count=9)
    second = await clients.assign(client_id, count=9)
    path = f"/api/get-client-properties/{client_id}"
    shown = await clients.data("GET", path)
    assert (shown["client_id"], shown["total_count"], shown["returned_count"]) == (str(client_id), 12, 12)
    in_turn = [str(one) for one in (*ids(second), *ids(first))]
    assert [p["address_id"] for p in shown["properties"]] == in_turn
    page = await clients.data("GET", f"{path}?limit=5&offset=2")
    assert [p["address_id"] for p in page["properties"]] == in_turn[2:7]
    one = shown["properties"][0]
    assert one["client_address_info"] == {
        "status": "new",
        "send_date": one["client_address_info"]["send_date"],
        "notes": None,
    }
    facts = {p["address_id"]: p for p in shown["properties"]}
    known = facts[str(Sale(3).id)]
    expected: dict[str, Any] = {
        "address_raw": "3 RUE",
        "city_name": "Bourg-en-Bresse",
        "price": 250_000,
        "surface": 90,
        "rooms": 4,
        "property_type": "house",
        "sale_date": (OLDEST + 3 * _DAY).isoformat(),
    }
    assert known.items() >= expected.items()
    assert facts[str(Sale(20).id)]["price"] is None
    answer = await clients.call("GET", path)
    assert "DGFiP" in answer.json()["meta"]["source"]


async def test_an_unknown_client_has_no_list(clients: Clients, mint: TokenMint, tenant_b: UUID) -> None:
    client_id = await clients.ready()
    other = Clients(clients.http, mint.headers(tenant_b), clients.rt, tenant_b)
    assert refusal(await clients.call("GET", f"/api/get-client-properties/{uuid7()}")) == (404, "NOT_FOUND")
    assert refusal(await other.call("GET", f"/api/get-client-properties/{client_id}")) == (404, "NOT_FOUND")


async def test_notes_are_kept_field_by_field(clients: Clients, db: SimpleDatabase) -> None:
    await add_sales(db, [Sale(1)])
    client_id = await clients.ready()
    await clients.assign(client_id)
    path = f"/api/client-properties/{client_id}/{Sale(1).id}"
    first = {
        "status": "contacted",
        "notes": "Blue door",
        "sale_horizon": "6 mois",
        "desired_price": 310_000,
        "dpe_energy_class": "D",
        "has_parking": True,
        "contact_date": "2026-11-19",
    }
    await clients.data("PATCH", path, first)
    noted = await clients.data("PATCH", path, {"status": "meeting", "sale_horizon": None, "floor": 1})
    assert noted == await clients.data("GET", path)
    info = noted["client_address_info"]
    assert (info["status"], info["notes"]) == ("meeting", "Blue door")
    kept = {name: value for name, value in noted["details"].items() if value is not None}
    assert kept == {
        "desired_price": 310_000,
        "dpe_energy_class": "D",
        "has_parking": True,
        "contact_date": "2026-11-19",
        "floor": 1,
    }
    assert (await clients.data("PATCH", path, {"notes": None}))["client_address_info"]["notes"] is None
    unknown = f"/api/client-properties/{client_id}/{uuid7()}"
    assert refusal(await clients.call("PATCH", unknown, {"status": "sold"})) == (404, "NOT_FOUND")
    for wrong in ({"status": "gone"}, {"status": None}, {"floor": "high"}, {"follow_up": "2y"}):
        assert (await clients.call("PATCH", path, wrong)).status_code == 422


async def test_there_is_no_place_for_who_owns_a_property(clients: Clients, db: SimpleDatabase) -> None:
    await add_sales(db, [Sale(1)])
    client_id = await clients.ready()
    await clients.assign(client_id)
    path = f"/api/client-properties/{client_id}/{Sale(1).id}"
    for field in ("owner_name", "owner_phone", "owner_email"):
        assert (await clients.call("PATCH", path, {field: "someone"})).status_code == 422


async def test_viewers_read_and_operators_note(clients: Clients, db: SimpleDatabase, mint: TokenMint) -> None:
    await add_sales(db, [Sale(1)])
    client_id = await clients.ready()
    await clients.assign(client_id)
    path = f"/api/client-properties/{client_id}/{Sale(1).id}"
    viewer, operator = (mint.headers(clients.tenant_id, role) for role in ("viewer", "operator"))
    assert (await clients.http.get(path, headers=viewer)).status_code == 200
    assert (await clients.http.patch(path, json={"floor": 1}, headers=viewer)).status_code == 403
    assert (await clients.http.patch(path, json={"floor": 1}, headers=operator)).status_code == 200
    reset = f"/admin/client/{client_id}/reset-assignments"
    assert (await clients.http.post(reset, headers=operator)).status_code == 403


async def test_reset_lets_a_client_begin_anew(clients: Clients, db: SimpleDatabase) -> None:
    await add_sales(db, daily(10))
    client_id = await clients.ready()
    await clients.assign(client_id, period="2026-11")
    assert await clients.data("POST", f"/admin/client/{client_id}/reset-assignments") == {
        "deleted_assignments": 10
    }
    again = await clients.assign(client_id, period="2026-11")
    assert (len(again.assigned), again.is_replay) == (10, False)
