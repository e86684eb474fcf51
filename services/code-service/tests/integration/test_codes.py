import asyncio
import json
from typing import Any
from uuid import UUID

import pytest

from shared.database import SimpleDatabase
from shared.testing import FakeClock, TokenMint

from .codes_kit import Codes, refusal, told


async def test_a_code_goes_its_way_and_every_step_is_written_down(codes: Codes) -> None:
    made = await codes.create("Spring-10", pool="vip", metadata={"discount_percent": 10}, limit_per_order=1)
    assert (made["status"], made["sync_state"], made["pool"]) == ("available", "none", "vip")
    used = await codes.data(
        "POST", "/codes/spring-10/mark-used", {"order_id": "o-1", "reason": "at the door"}
    )
    assert (used["status"], used["reference"], used["code"]) == ("used", "o-1", "Spring-10")
    back = await codes.data("POST", "/codes/SPRING-10/rollback", {"reason": "order cancelled"})
    assert (back["status"], back["used_at"]) == ("allocated", None)
    free = await codes.data("POST", "/codes/SPRING-10/release")
    assert (free["status"], free["reference"], free["allocated_at"]) == ("available", None, None)
    gone = await codes.data("POST", "/codes/SPRING-10/revoke", {"reason": "printed wrong"})
    assert gone["status"] == "revoked"
    assert await codes.history("spring-10") == [
        ("create", None, "available"),
        ("mark_used", "available", "used"),
        ("rollback", "used", "allocated"),
        ("release", "allocated", "available"),
        ("revoke", "available", "revoked"),
    ]


async def test_history_says_who_when_and_why(
    codes: Codes, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    await codes.create("A")
    someone = tenant_b
    headers = mint.headers(tenant_a, "operator", user_id=someone) | {"X-Request-ID": "req-12345678"}
    answer = await codes.client.post("/codes/A/revoke", json={"reason": "typo"}, headers=headers)
    assert answer.status_code == 200
    last = (await codes.data("GET", "/codes/A/events"))[-1]
    assert (last["actor"], last["reason"], last["request_id"]) == (
        f"user:{someone}",
        "typo",
        answer.headers["x-request-id"],
    )
    assert last["at"] == answer.json()["data"]["revoked_at"]


async def test_codes_that_differ_in_case_are_the_same(codes: Codes) -> None:
    await codes.create("Spring10")
    assert refusal(await codes.call("POST", "/codes", {"code": "SPRING10"})) == (409, "CODE_EXISTS")
    assert (await codes.get("sPRING10"))["code"] == "Spring10"


@pytest.mark.parametrize("code", ["", "a b", "-a", "a/b", "ä", "x" * 65, "a\n", "export.csv", "Batches"])
async def test_what_cannot_stand_in_a_path_is_no_code(codes: Codes, code: str) -> None:
    if code == "a\n":
        code = "a\nb"
    assert (await codes.call("POST", "/codes", {"code": code})).status_code == 422


@pytest.mark.parametrize(
    ("steps", "action", "refused"),
    [
        (["mark-used"], "mark-used", "CODE_ALREADY_USED"),
        (["mark-used"], "revoke", "CODE_ALREADY_USED"),
        (["mark-used"], "release", "CODE_ALREADY_USED"),
        (["revoke"], "mark-used", "CODE_REVOKED"),
        (["revoke"], "revoke", "CODE_REVOKED"),
        ([], "release", "CODE_STATE"),
        ([], "rollback", "CODE_STATE"),
    ],
)
async def test_other_steps_are_refused_and_change_nothing(
    codes: Codes, steps: list[str], action: str, refused: str
) -> None:
    await codes.create("A")
    for step in steps:
        await codes.data("POST", f"/codes/A/{step}")
    before = await codes.get("A"), await codes.history("A")
    body = {"reason": "r"} if action == "rollback" else None
    assert refusal(await codes.call("POST", f"/codes/A/{action}", body)) == (409, refused)
    assert (await codes.get("A"), await codes.history("A")) == before


async def test_of_fifty_at_once_one_uses_the_code(codes: Codes, db: SimpleDatabase) -> None:
    await codes.create("ONE")
    answers = await asyncio.gather(*(codes.call("POST", "/codes/ONE/mark-used") for _ in range(50)))
    assert sorted(a.status_code for a in answers) == [200] + [409] * 49
    assert {refusal(a) for a in answers if a.status_code == 409} == {(409, "CODE_ALREADY_USED")}
    assert await codes.history("ONE") == [("create", None, "available"), ("mark_used", "available", "used")]
    assert await told(db) == [("code.code.used.v1", "ONE")]


async def test_a_repeat_with_the_same_key_is_told_the_same(codes: Codes) -> None:
    await codes.create("A")
    first = await codes.call("POST", "/codes/A/mark-used", {"order_id": "1"}, Idempotency_Key="k")
    again = await codes.call("POST", "/codes/A/mark-used", {"order_id": "1"}, Idempotency_Key="k")
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())


async def test_a_date_that_passes_ends_the_code_and_a_later_one_revives_it(
    timed: Codes, clock: FakeClock
) -> None:
    in_an_hour = clock.now().timestamp() + 3600
    await timed.create("A", expires_at=in_an_hour)
    clock.advance(3600)
    assert (await timed.get("A"))["status"] == "expired"
    assert refusal(await timed.call("POST", "/codes/A/mark-used")) == (409, "CODE_EXPIRED")
    listed = await timed.data("GET", "/codes?status=expired")
    assert [code["code"] for code in listed] == ["A"]
    late = {"used_at": clock.now().timestamp() - 1800}
    assert refusal(await timed.call("POST", "/codes/A/mark-used", {"used_at": in_an_hour + 9})) == (
        400,
        "VALIDATION_ERROR",
    )
    assert (await timed.data("POST", "/codes/A/mark-used", late))["status"] == "used"
    await timed.data("POST", "/codes/A/rollback", {"reason": "r"})
    assert refusal(await timed.call("POST", "/codes/A/mark-used")) == (409, "CODE_EXPIRED")
    revived = await timed.data("PUT", "/codes/A", {"expires_at": in_an_hour + 7200})
    assert revived["status"] == "allocated"
    assert (await timed.data("POST", "/codes/A/mark-used"))["status"] == "used"


async def test_only_given_fields_change(codes: Codes) -> None:
    await codes.create("A", limit_per_order=2, limit_per_ticket=3, metadata={"a": 1})
    changed = await codes.data("PUT", "/codes/A", {"limit_per_order": None, "metadata": {"b": 2}})
    assert (changed["limit_per_order"], changed["limit_per_ticket"], changed["metadata"]) == (
        None,
        3,
        {"b": 2},
    )
    assert (await codes.data("PUT", "/codes/A", {"type": "upgrade"}))["type"] == "upgrade"
    await codes.data("POST", "/codes/A/mark-used")
    assert refusal(await codes.call("PUT", "/codes/A", {"pool": "other"})) == (409, "CODE_STATE")
    assert (await codes.data("PUT", "/codes/A", {"metadata": {}}))["metadata"] == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit_per_order", 0),
        ("status", "used"),
        ("pool", "A b"),
        ("type", None),
        ("expires_at", "0001-01-01T00:00:00+14:00"),
        ("expires_at", "9999-12-31T23:59:59-14:00"),
        ("metadata", {"number": 10**30}),
        ("metadata", {"deep": json.loads("[" * 300 + "]" * 300)}),
        ("metadata", {"nul": "\x00"}),
    ],
)
async def test_other_changes_are_refused_by_name(codes: Codes, field: str, value: Any) -> None:
    await codes.create("A")
    refused = await codes.call("PUT", "/codes/A", {field: value})
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, field)


async def test_filters_that_nothing_can_match_are_refused_by_name(codes: Codes) -> None:
    for field, value in (("q", "%00"), ("created_from", "0001-01-01T00:00:00%2B14:00")):
        refused = await codes.call("GET", f"/codes?{field}={value}")
        assert (refused.status_code, refused.json()["error"]["field"]) == (422, field)


async def test_lists_filter_and_page(codes: Codes) -> None:
    for code, fields in {
        "AB-1": {"pool": "p"},
        "AB-2": {"type": "upgrade"},
        "CD-1": {"type": "upgrade", "pool": "p"},
    }.items():
        await codes.create(code, **fields)
    await codes.data("POST", "/codes/CD-1/mark-used")

    async def listed(query: str) -> list[str]:
        return [code["code"] for code in await codes.data("GET", f"/codes{query}")]

    assert await listed("") == ["CD-1", "AB-2", "AB-1"]
    assert await listed("?type=upgrade") == ["CD-1", "AB-2"]
    assert await listed("?pool=p&status=available") == ["AB-1"]
    assert await listed("?q=b-") == ["AB-2", "AB-1"]
    assert await listed("?status=used") == ["CD-1"]
    first = (await codes.call("GET", "/codes?limit=2")).json()
    assert [code["code"] for code in first["data"]] == ["CD-1", "AB-2"]
    assert await listed(f"?limit=2&cursor={first['meta']['next_cursor']}") == ["AB-1"]


async def test_codes_are_a_tenants_own_and_need_a_role(
    codes: Codes, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    await codes.create("A")
    stranger, viewer = mint.headers(tenant_b), mint.headers(tenant_a, "viewer")
    requests: list[tuple[str, str, Any]] = [
        ("GET", "/codes/A", None),
        ("GET", "/codes/A/events", None),
        ("PUT", "/codes/A", {"metadata": {}}),
        *(
            ("POST", f"/codes/A/{act}", {"reason": "r"})
            for act in ("mark-used", "release", "revoke", "rollback")
        ),
    ]
    for method, path, body in requests:
        assert (await codes.client.request(method, path, json=body, headers=stranger)).status_code == 404
        expected = 200 if method == "GET" else 403
        assert (await codes.client.request(method, path, json=body, headers=viewer)).status_code == expected
        assert (await codes.client.request(method, path, json=body)).status_code == 401
    assert (await codes.get("A"))["status"] == "available"
    other = Codes(codes.client, stranger)
    await other.create("a")
    assert len(await other.data("GET", "/codes")) == 1


async def test_what_the_ticket_shop_has_otherwise_now_is_drift(
    codes: Codes, db: SimpleDatabase, tenant_a: UUID
) -> None:
    for name in ("LIMIT", "PERCENT", "REVOKED", "NOTE", "USED"):
        await codes.create(name, metadata={"discount_percent": 10})
    async with db.tenant_tx(tenant_a) as tx:
        await tx.execute("UPDATE code SET sync_state = 'synced' WHERE tenant_id = $1", tenant_a)
    await codes.create("NEW")
    await codes.data("PUT", "/codes/LIMIT", {"limit_per_order": 2})
    await codes.data("PUT", "/codes/PERCENT", {"metadata": {"discount_percent": 0}})
    await codes.data("POST", "/codes/REVOKED/revoke")
    await codes.data("PUT", "/codes/NOTE", {"metadata": {"discount_percent": 10, "note": "x"}, "pool": "vip"})
    await codes.data("POST", "/codes/USED/mark-used")
    await codes.data("PUT", "/codes/NEW", {"limit_per_order": 2})
    found = {code["code"]: code["sync_state"] for code in await codes.data("GET", "/codes")}
    drifted = dict.fromkeys(("LIMIT", "PERCENT", "REVOKED"), "drift")
    assert found == drifted | {"NOTE": "synced", "USED": "synced", "NEW": "none"}


async def test_codes_are_found_by_who_has_them_and_when_they_were_made(
    timed: Codes, clock: FakeClock
) -> None:
    await timed.create("OLD")
    body = {"recipient": "reader@example.com", "order_id": "o-1"}
    await timed.data("POST", "/codes/allocate?mark_used=false", body)
    clock.advance(60)
    since = clock.now().isoformat().replace("+00:00", "Z")
    await timed.create("NEW")
    for query, wanted in {
        "recipient=reader@example.com": ["OLD"],
        "order_id=o-1": ["OLD"],
        "order_id=o-2": [],
        f"created_from={since}": ["NEW"],
        f"created_to={since}": ["OLD"],
    }.items():
        assert [code["code"] for code in await timed.data("GET", f"/codes?{query}")] == wanted
    assert (await timed.call("GET", "/codes?recipient=a%00b")).status_code == 422
