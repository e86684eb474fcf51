from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from campaign_service.suppressions import repository
from campaign_service.suppressions.repository import NewSuppression
from shared.database import SimpleDatabase
from shared.testing import TokenMint


class Suppressions:
    """The suppression endpoints as one caller uses them."""

    def __init__(self, client: httpx.AsyncClient, tenant: UUID, headers: dict[str, str]) -> None:
        self.client = client
        self.tenant = tenant
        self.headers = headers
        self.base = f"/api/v2/suppressions/{tenant}"

    async def post(self, path: str = "", **body: Any) -> httpx.Response:
        return await self.client.post(self.base + path, json=body, headers=self.headers)

    async def get(self, path: str = "", **params: Any) -> list[dict[str, Any]]:
        answer = await self.client.get(self.base + path, params=params, headers=self.headers)
        rows: list[dict[str, Any]] = answer.json()["data"]
        return rows

    async def delete(self, path: str = "", **params: Any) -> httpx.Response:
        return await self.client.delete(self.base + path, params=params, headers=self.headers)

    async def contact(self, email: str) -> str:
        answer = await self.client.post("/api/v2/contacts", json={"email": email}, headers=self.headers)
        return str(answer.json()["data"]["id"])

    async def status(self, contact_id: str) -> str:
        path = f"/api/v2/contacts/{self.tenant}/{contact_id}"
        return str((await self.client.get(path, headers=self.headers)).json()["data"]["status"])

    async def history(self, **params: Any) -> list[tuple[str, str]]:
        return [(row["action"], row["reason"]) for row in await self.get("/history", **params)]


@pytest.fixture
def suppressions(client: httpx.AsyncClient, tenant_a: UUID, headers: dict[str, str]) -> Suppressions:
    return Suppressions(client, tenant_a, headers)


async def test_the_contact_gets_the_status_of_the_reason_and_loses_it_again(
    suppressions: Suppressions,
) -> None:
    cases = [
        ("unsubscribed", "unsubscribed"),
        ("complaint", "blacklisted"),
        ("manual", "blacklisted"),
        ("hard_bounce", "invalid"),
        ("invalid", "invalid"),
        ("soft_bounces", "valid"),
    ]
    for reason, status in cases:
        contact = await suppressions.contact(f"{reason}@Example.com")
        answer = await suppressions.post(address=f" {reason.upper()}@example.com ", reason=reason)
        assert answer.status_code == 201
        assert answer.json()["data"]["address"] == f"{reason}@example.com"
        assert await suppressions.status(contact) == status
        lifted = await suppressions.delete(f"/{answer.json()['data']['id']}")
        assert lifted.json()["data"] == {"lifted": 1}
        assert await suppressions.status(contact) == "valid"
        history = await suppressions.history(address=f"{reason}@example.com")
        assert history == [("lifted", reason), ("added", reason)]


async def test_a_contact_added_later_gets_the_status_too(suppressions: Suppressions) -> None:
    await suppressions.post(address="anna@example.com", reason="unsubscribed")
    assert await suppressions.status(await suppressions.contact("anna@example.com")) == "unsubscribed"


async def test_adding_again_keeps_the_graver_reason(suppressions: Suppressions) -> None:
    first = (await suppressions.post(address="a@example.com", reason="unsubscribed")).json()["data"]
    again = (await suppressions.post(address="A@example.com", reason="hard_bounce")).json()["data"]
    assert (again["id"], again["reason"]) == (first["id"], "unsubscribed")
    graver = (await suppressions.post(address="a@example.com", reason="complaint")).json()["data"]
    assert (graver["id"], graver["reason"]) == (first["id"], "complaint")
    assert await suppressions.history(address="a@example.com") == [
        ("changed", "complaint"),
        ("added", "unsubscribed"),
    ]


async def test_of_two_suppressions_the_graver_reason_and_the_later_end_hold(
    suppressions: Suppressions,
) -> None:
    soon, later = "2099-01-01T00:00:00Z", "2099-12-31T00:00:00Z"
    await suppressions.post(address="a@example.com", reason="unsubscribed")
    graver = await suppressions.post(address="a@example.com", reason="manual", expires_at=soon)
    assert (graver.json()["data"]["reason"], graver.json()["data"]["expires_at"]) == ("manual", None)
    await suppressions.post(address="b@example.com", reason="complaint", detail="abuse", expires_at=soon)
    longer = (await suppressions.post(address="b@example.com", reason="invalid", expires_at=later)).json()
    shown = {name: longer["data"][name] for name in ("reason", "detail", "expires_at")}
    assert shown == {"reason": "complaint", "detail": "abuse", "expires_at": later}
    twice = [{"address": "c@example.com", "reason": reason} for reason in ("complaint", "invalid")]
    await suppressions.post("/bulk", items=twice)
    assert [row["reason"] for row in await suppressions.get(q="c@")] == ["complaint"]


async def test_what_ends_by_itself_leaves_the_contact_as_it_is(suppressions: Suppressions) -> None:
    there = await suppressions.contact("a@example.com")
    for address in ("a@example.com", "b@example.com"):
        await suppressions.post(address=address, reason="manual", expires_at="2099-01-01T00:00:00Z")
    added = await suppressions.contact("b@example.com")
    assert [await suppressions.status(contact) for contact in (there, added)] == ["valid", "valid"]
    await suppressions.post(address="a@example.com", reason="manual")
    assert await suppressions.status(there) == "blacklisted"


async def test_a_number_is_held_however_it_is_written(suppressions: Suppressions) -> None:
    french = {"account_sid": "AC" + "0" * 32, "auth_token": "x" * 32, "default_region": "FR"}
    path = f"/api/v2/sending/{suppressions.tenant}/sms"
    assert (await suppressions.client.put(path, json=french, headers=suppressions.headers)).is_success
    for written in ("06 12 34 56 78", "0033612345678"):
        made = await suppressions.post(address=written, channel="sms")
        assert made.json()["data"]["address"] == "+33612345678"
    wrong = await suppressions.post("/bulk", items=[{"address": "99999", "channel": "sms"}] * 2)
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (400, "items.0.address")
    assert (await suppressions.delete(address="0612345678", channel="sms")).json()["data"] == {"lifted": 1}


async def test_adding_many_is_safe_to_repeat(
    suppressions: Suppressions, db: SimpleDatabase, tenant_a: UUID
) -> None:
    contact = await suppressions.contact("a@example.com")
    rows = [
        NewSuppression("A@example.com", "hard_bounce", detail="5.1.1"),
        NewSuppression("a@example.com ", "hard_bounce"),
        NewSuppression("b@example.com", "unsubscribed", scope="marketing"),
    ]
    for expected in (2, 0):
        async with db.tenant_tx(tenant_a) as tx:
            assert await repository.add_many(tx, tenant_a, rows) == expected
    assert await suppressions.status(contact) == "invalid"
    assert len(await suppressions.history()) == 2
    async with db.tenant_tx(tenant_a) as tx:
        assert await repository.suppressed_reason(tx, tenant_a, "A@EXAMPLE.com") == "hard_bounce"
        assert await repository.suppressed_reason(tx, tenant_a, "b@example.com") == "unsubscribed"
        assert await repository.suppressed_reason(tx, tenant_a, "b@example.com", marketing=False) is None
        assert await repository.add_many(tx, tenant_a, []) == 0


async def test_a_suppression_ends_when_it_expires(
    suppressions: Suppressions, db: SimpleDatabase, tenant_a: UUID
) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    async with db.tenant_tx(tenant_a) as tx:
        await repository.add_many(tx, tenant_a, [NewSuppression("a@example.com", "manual", expires_at=past)])
        assert await repository.suppressed_reason(tx, tenant_a, "a@example.com") is None
    assert await suppressions.status(await suppressions.contact("a@example.com")) == "valid"
    renewed = await suppressions.post(address="a@example.com", reason="invalid")
    assert (renewed.json()["data"]["reason"], renewed.json()["data"]["expires_at"]) == ("invalid", None)


async def test_lists_filter_and_page(suppressions: Suppressions) -> None:
    for i in range(5):
        scope = "marketing" if i == 3 else "all"
        await suppressions.post(address=f"p{i}@example.com", scope=scope)
    await suppressions.post(address="+32 2 555 01 00", channel="sms", reason="unsubscribed")
    assert [r["address"] for r in await suppressions.get(channel="sms")] == ["+3225550100"]
    assert [r["address"] for r in await suppressions.get(scope="marketing")] == ["p3@example.com"]
    assert [r["address"] for r in await suppressions.get(reason="unsubscribed")] == ["+3225550100"]
    assert [r["address"] for r in await suppressions.get(q="P4")] == ["p4@example.com"]
    answer = await suppressions.client.get(
        suppressions.base, params={"limit": 4}, headers=suppressions.headers
    )
    cursor = answer.json()["meta"]["next_cursor"]
    rest = await suppressions.get(limit=4, cursor=cursor)
    assert [r["address"] for r in rest] == ["p1@example.com", "p0@example.com"]


async def test_lifting_by_address_lifts_one_scope_or_both(suppressions: Suppressions) -> None:
    contact = await suppressions.contact("a@example.com")
    for scope in ("all", "marketing"):
        await suppressions.post(address="a@example.com", scope=scope, reason="unsubscribed")
    lifted = await suppressions.delete(address="A@example.com", scope="marketing")
    assert lifted.json()["data"] == {"lifted": 1}
    assert await suppressions.status(contact) == "unsubscribed"
    assert (await suppressions.delete(address="a@example.com")).json()["data"] == {"lifted": 1}
    assert await suppressions.status(contact) == "valid"
    assert (await suppressions.delete(address="a@example.com")).status_code == 404
    assert (await suppressions.delete(f"/{uuid4()}")).status_code == 404


async def test_a_batch_is_all_or_nothing(suppressions: Suppressions) -> None:
    wrong = await suppressions.post("/bulk", items=[{"address": "a@example.com"}, {"address": "nobody"}])
    assert wrong.status_code == 422
    assert await suppressions.get() == []
    good = await suppressions.post(
        "/bulk", items=[{"address": "a@example.com"}, {"address": "b@example.com"}]
    )
    assert good.json()["data"] == {"added": 2, "unchanged": 0}


async def test_wrong_suppressions_are_refused(suppressions: Suppressions) -> None:
    bodies: list[dict[str, Any]] = [
        {"address": "nobody"},
        {"address": "a\u0000@example.com"},
        {"address": "12", "channel": "sms"},
        {"address": "a@example.com", "reason": "boredom"},
        {"address": "a@example.com", "scope": "some"},
        {"address": "a@example.com", "expires_at": "2026-01-01T00:00:00"},
        {},
    ]
    for body in bodies:
        assert (await suppressions.post(**body)).status_code == 422, body


async def test_suppressions_are_a_tenants_own_and_need_a_role(
    suppressions: Suppressions, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    made = (await suppressions.post(address="a@example.com")).json()["data"]
    requests: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("GET", "/history", None),
        ("POST", "", {"address": "b@example.com"}),
        ("POST", "/bulk", {"items": [{"address": "b@example.com"}]}),
        ("DELETE", "?address=a@example.com", None),
        ("DELETE", f"/{made['id']}", None),
    ]
    client = suppressions.client
    for method, path, body in requests:
        ours = suppressions.base + path
        answer = await client.request(method, ours, json=body, headers=mint.headers(tenant_b))
        assert answer.status_code == 404, path
        answer = await client.request(method, ours, json=body, headers=mint.headers(tenant_a, "viewer"))
        assert answer.status_code == (200 if method == "GET" else 403), path
        assert (await client.request(method, ours, json=body)).status_code == 401
    theirs = f"/api/v2/suppressions/{tenant_b}"
    for path in ("?address=a@example.com", f"/{made['id']}"):
        answer = await client.delete(theirs + path, headers=mint.headers(tenant_b))
        assert answer.status_code == 404
    assert len(await suppressions.get()) == 1
