import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from code_service.allocation import sweeper
from code_service.allocation.desk import AllocationDesk
from code_service.allocation.repository import Taken, UnfitWishError, Wish
from shared.database import SimpleDatabase
from shared.testing import FakeClock, TokenMint
from shared.testing.plugin import OpenDatabase
from shared.utils import utc_now

from .codes_kit import SERVICE_KEY, Codes, refusal, told

ALLOCATE = "/codes/allocate?code_type=discount"
BATCH = "/codes/allocate/batch"


async def test_an_allocation_also_uses_the_code_unless_told_otherwise(
    codes: Codes, db: SimpleDatabase
) -> None:
    await codes.create("A")
    given = await codes.data("POST", ALLOCATE)
    assert (given["code"], given["status"]) == ("A", "used")
    assert {"id", "allocated_at"} <= given.keys()
    assert await told(db) == [("code.code.allocated.v1", "A"), ("code.code.used.v1", "A")]
    assert await codes.history("A") == [
        ("create", None, "available"),
        ("allocate", "available", "allocated"),
        ("mark_used", "allocated", "used"),
    ]
    assert refusal(await codes.call("POST", ALLOCATE)) == (404, "POOL_EXHAUSTED")

    await codes.create("B")
    body = {"recipient": "reader@example.com", "order_id": "o-7"}
    assert (await codes.data("POST", f"{ALLOCATE}&mark_used=false", body))["status"] == "allocated"
    kept = await codes.get("B")
    assert (kept["recipient"], kept["reference"], kept["used_at"]) == ("reader@example.com", "o-7", None)
    assert (await codes.data("POST", "/codes/B/mark-used"))["reference"] == "o-7"


async def test_fifty_at_once_share_ten_codes(codes: Codes) -> None:
    pool = await codes.fill(10)
    answers = await asyncio.gather(*(codes.call("POST", ALLOCATE) for _ in range(50)))
    given = [a.json()["data"]["code"] for a in answers if a.status_code == 200]
    assert len(given) == 10
    assert set(given) == pool
    assert [refusal(a) for a in answers if a.status_code != 200] == [(404, "POOL_EXHAUSTED")] * 40


def wish(tenant_id: UUID, **changed: Any) -> Wish:
    given: dict[str, Any] = {
        "type": "discount",
        "pool": "default",
        "count": 1,
        "status": "allocated",
        "recipient": None,
        "reference": None,
        "key": None,
        "fingerprint": "",
        "reserved_until": None,
        "partial": False,
        "actor": "test",
        "request_id": None,
        "now": utc_now(),
    }
    return Wish(tenant_id=tenant_id, **(given | changed))


async def test_fifty_callers_of_ten_processes_share_ten_codes(
    codes: Codes, open_database: OpenDatabase, tenant_a: UUID
) -> None:
    pool = await codes.fill(10)
    db = await open_database("code", 25)
    desks = [AllocationDesk(db) for _ in range(10)]
    found = await asyncio.gather(*(desks[number % 10].take(wish(tenant_a)) for number in range(50)))
    given = [code.code for code in found if code is not None]
    assert (len(given), set(given)) == (10, pool)


async def test_processes_that_come_with_the_same_key_get_the_same_code(
    codes: Codes, open_database: OpenDatabase, tenant_a: UUID
) -> None:
    await codes.fill(20)
    db = await open_database("code", 25)
    desks = [AllocationDesk(db) for _ in range(10)]
    keys = [f"key-{number % 5}" for number in range(60)]
    found = await asyncio.gather(
        *(desks[number % 10].take(wish(tenant_a, key=key)) for number, key in enumerate(keys))
    )
    by_key = {(key, code.id) for key, code in zip(keys, found, strict=True) if code is not None}
    assert (len(found), len(by_key)) == (60, 5)
    assert sum(code is not None and code.outcome == "given" for code in found) == 5
    assert len(await codes.data("GET", "/codes?status=available")) == 15


async def test_one_wish_that_cannot_be_stored_costs_the_others_nothing(
    codes: Codes, db: SimpleDatabase, tenant_a: UUID
) -> None:
    await codes.fill(9)
    desk = AllocationDesk(db)
    wishes = [wish(tenant_a, recipient="a\x00b" if number == 5 else None) for number in range(9)]
    found = await asyncio.gather(*map(desk.take, wishes), return_exceptions=True)
    assert [number for number, one in enumerate(found) if isinstance(one, UnfitWishError)] == [5]
    assert len({one.id for one in found if isinstance(one, Taken)}) == 8


async def test_a_caller_who_left_before_being_served_takes_no_code(
    codes: Codes, db: SimpleDatabase, tenant_a: UUID
) -> None:
    await codes.fill(3)
    desk = AllocationDesk(db)
    gone = asyncio.create_task(desk.take(wish(tenant_a)))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await asyncio.gather(gone, return_exceptions=True))[0].__class__ is asyncio.CancelledError
    assert await desk.take(wish(tenant_a)) is not None
    assert len(await codes.data("GET", "/codes?status=available")) == 2


async def test_singles_and_batches_at_once_give_out_every_code_once(codes: Codes) -> None:
    pool = await codes.fill(60)
    body = {"count": 7, "partial": True}
    answers = await asyncio.gather(
        *(codes.call("POST", BATCH, body) for _ in range(9)),
        *(codes.call("POST", ALLOCATE) for _ in range(20)),
    )
    given = [one["code"] for a in answers[:9] if a.is_success for one in a.json()["data"]["codes"]]
    given += [a.json()["data"]["code"] for a in answers[9:] if a.is_success]
    assert sorted(given) == sorted(pool)
    assert {a.status_code for a in answers} <= {200, 404}


async def test_a_pool_gives_only_its_own_codes(codes: Codes) -> None:
    await codes.create("VIP", pool="vip")
    await codes.create("UP", type="upgrade")
    assert refusal(await codes.call("POST", ALLOCATE)) == (404, "POOL_EXHAUSTED")
    assert (await codes.data("POST", f"{ALLOCATE}&pool=vip"))["code"] == "VIP"
    assert (await codes.data("POST", "/codes/allocate?code_type=upgrade"))["code"] == "UP"
    assert (await codes.call("POST", "/codes/allocate?code_type=gift")).status_code == 422


async def test_the_same_key_gets_the_same_code(codes: Codes) -> None:
    await codes.fill(5)
    answers = await asyncio.gather(*(codes.call("POST", ALLOCATE, Idempotency_Key="k") for _ in range(20)))
    assert len({a.json()["data"]["code"] for a in answers}) == 1
    assert sum("idempotent-replayed" not in a.headers for a in answers) == 1
    assert len(await codes.data("GET", "/codes?status=available")) == 4
    other = await codes.call("POST", ALLOCATE + "&pool=vip", Idempotency_Key="k")
    assert refusal(other) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_key_that_got_nothing_may_try_again(codes: Codes) -> None:
    assert (await codes.call("POST", ALLOCATE, Idempotency_Key="k")).status_code == 404
    await codes.create("A")
    assert (await codes.data("POST", ALLOCATE, Idempotency_Key="k"))["code"] == "A"


async def test_keys_are_a_tenants_own(codes: Codes, mint: TokenMint, tenant_b: UUID) -> None:
    other = Codes(codes.client, mint.headers(tenant_b))
    await codes.create("A")
    await other.create("B")
    assert (await codes.data("POST", ALLOCATE, Idempotency_Key="k"))["code"] == "A"
    assert (await other.data("POST", ALLOCATE, Idempotency_Key="k"))["code"] == "B"


async def test_a_batch_is_given_whole_or_refused_whole(codes: Codes) -> None:
    pool = await codes.fill(5)
    refused = await codes.call("POST", BATCH, {"count": 6})
    assert refusal(refused) == (409, "POOL_TOO_SMALL")
    assert len(await codes.data("GET", "/codes?status=available")) == 5
    given = await codes.data("POST", BATCH, {"count": 6, "partial": True})
    assert ({one["code"] for one in given["codes"]}, given["missing"]) == (pool, 1)
    assert refusal(await codes.call("POST", BATCH, {"count": 1, "partial": True})) == (404, "POOL_EXHAUSTED")
    assert (await codes.call("POST", BATCH, {"count": 1001})).status_code == 422


async def test_a_reservation_ends_with_its_time(
    timed: Codes, app: FastAPI, clock: FakeClock, db: SimpleDatabase
) -> None:
    await timed.create("A")
    held = await timed.data("POST", ALLOCATE, {"ttl_seconds": 600, "recipient": "x"})
    assert held["status"] == "reserved"
    assert (await timed.call("POST", ALLOCATE)).status_code == 404
    clock.advance(599)
    await sweeper.sweep(app.state.runtime)
    assert (await timed.get("A"))["status"] == "reserved"
    clock.advance(1)
    assert (await timed.get("A"))["status"] == "available"
    await sweeper.sweep(app.state.runtime)
    assert await timed.history("A") == [
        ("create", None, "available"),
        ("reserve", "available", "reserved"),
        ("lapse", "reserved", "available"),
    ]
    again = await timed.data("POST", ALLOCATE, {"ttl_seconds": 600})
    assert again["code"] == "A"
    assert (await timed.data("POST", "/codes/A/mark-used"))["status"] == "used"
    clock.advance(700)
    await sweeper.sweep(app.state.runtime)
    assert (await timed.get("A"))["status"] == "used"
    both = await timed.call("POST", ALLOCATE + "&mark_used=true", {"ttl_seconds": 600})
    assert refusal(both) == (400, "VALIDATION_ERROR")


async def test_codes_past_their_date_are_not_given_out(
    timed: Codes, app: FastAPI, clock: FakeClock, db: SimpleDatabase
) -> None:
    await timed.create("OLD", expires_at=clock.now().timestamp() + 60)
    await timed.create("NEW", expires_at=clock.now().timestamp() + 6000)
    clock.advance(60)
    assert (await timed.data("POST", ALLOCATE))["code"] == "NEW"
    assert (await timed.call("POST", ALLOCATE)).status_code == 404
    await sweeper.sweep(app.state.runtime)
    assert (await timed.history("OLD"))[-1] == ("expire", "available", "expired")
    later = clock.now().timestamp() + 60
    assert (await timed.data("PUT", "/codes/OLD", {"expires_at": later}))["status"] == "available"
    assert (await timed.data("POST", ALLOCATE))["code"] == "OLD"


@pytest.mark.parametrize("count", [1, 3])
async def test_a_refusal_waits_for_codes_that_may_come_free(
    codes: Codes, db: SimpleDatabase, tenant_a: UUID, count: int
) -> None:
    await codes.fill(3)
    async with db.tenant_tx(tenant_a) as tx:
        await tx.fetch("SELECT id FROM code WHERE tenant_id = $1 FOR UPDATE", tenant_a)
        waiting = asyncio.create_task(codes.call("POST", BATCH, {"count": count}))
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
    assert len((await waiting).json()["data"]["codes"]) == count


async def test_services_allocate_for_a_tenant(
    codes: Codes, client: httpx.AsyncClient, tenant_a: UUID, tenant_b: UUID
) -> None:
    await codes.fill(3)
    key = {"X-Service-Key": SERVICE_KEY}
    body = {"tenant_id": str(tenant_a), "count": 2, "idempotency_key": "campaign-1"}
    first = await client.post("/internal/codes/allocate", json=body, headers=key)
    again = await client.post("/internal/codes/allocate", json=body, headers=key)
    assert first.json()["data"] == again.json()["data"]
    code = first.json()["data"]["codes"][0]
    assert code["status"] == "allocated"
    last = (await codes.data("GET", f"/codes/{code['code']}/events"))[-1]
    assert last["actor"] == "service:campaign-service"
    other = await client.post(
        "/internal/codes/allocate", json={"tenant_id": str(tenant_b), "count": 1}, headers=key
    )
    assert refusal(other) == (404, "POOL_EXHAUSTED")
    assert (await client.post("/internal/codes/allocate", json=body)).status_code == 401


async def test_a_pool_that_runs_dry_under_load_gives_out_all_and_blocks_nobody(
    db: SimpleDatabase, tenant_a: UUID
) -> None:
    async with db.tenant_tx(tenant_a) as tx:
        await tx.execute(
            """INSERT INTO code (tenant_id, id, code, type)
               SELECT $1, event_id(), 'DRY-' || n, 'discount' FROM generate_series(1, 600) AS n""",
            tenant_a,
        )
    desks = [AllocationDesk(db) for _ in range(8)]
    given: list[UUID] = []

    async def caller(desk: AllocationDesk) -> None:
        while (found := await desk.take(wish(tenant_a, status="used"))) is not None:
            given.append(found.id)

    await asyncio.gather(*(caller(desk) for desk in desks * 4))
    assert (len(given), len(set(given))) == (600, 600)
