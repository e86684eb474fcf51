"""What other services ask for with their key: codes given back, and links they name themselves."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from .codes_kit import SERVICE_KEY, Codes

KEY = {"X-Service-Key": SERVICE_KEY}


@pytest.fixture
def tenant(tenant_a: UUID) -> str:
    return str(tenant_a)


async def asked(codes: Codes, path: str, body: Any) -> Any:
    answer = await codes.client.post(f"/internal/{path}", json=body, headers=KEY)
    assert answer.is_success, answer.text
    return answer.json()["data"]


async def allocated(codes: Codes, tenant: str, order: str, count: int) -> list[str]:
    body = {"tenant_id": tenant, "order_id": order, "idempotency_key": order, "count": count}
    return [code["code"] for code in (await asked(codes, "codes/allocate", body))["codes"]]


async def released(codes: Codes, tenant: str, order: str, names: list[str]) -> int:
    body = {"tenant_id": tenant, "order_id": order, "codes": names, "reason": "never sent"}
    number: int = (await asked(codes, "codes/release", body))["released"]
    return number


async def test_codes_given_back_are_free_again_and_only_once(codes: Codes, tenant: str) -> None:
    await codes.fill(3)
    taken = await allocated(codes, tenant, "mailing-1", 3)
    assert await released(codes, tenant, "mailing-1", taken[:2]) == 2
    assert await released(codes, tenant, "mailing-1", taken[:2]) == 0
    assert [(await codes.get(name))["status"] for name in taken] == ["available", "available", "allocated"]
    assert (await codes.history(taken[0]))[-1] == ("release", "allocated", "available")
    again = await allocated(codes, tenant, "mailing-2", 2)
    assert sorted(again) == sorted(taken[:2])
    assert await released(codes, tenant, "mailing-1", taken) == 1
    assert [(await codes.get(name))["status"] for name in again] == ["allocated", "allocated"]


async def test_only_who_holds_a_code_gives_it_back(codes: Codes, tenant: str, tenant_b: UUID) -> None:
    await codes.fill(3)
    used = await allocated(codes, tenant, "mailing-1", 2)
    await codes.data("POST", f"/codes/{used[0]}/mark-used")
    assert await released(codes, str(tenant_b), "mailing-1", used) == 0
    assert await released(codes, tenant, "mailing-2", used) == 0
    assert await released(codes, tenant, "mailing-1", ["NO-SUCH-CODE", *used]) == 1
    assert [(await codes.get(name))["status"] for name in used] == ["used", "available"]


@pytest.mark.parametrize(
    "headers", [{}, {"X-Service-Key": "a key that nobody has been given, long enough"}, None]
)
@pytest.mark.parametrize("path", ["codes/release", "links"])
async def test_nothing_without_a_services_key(
    codes: Codes, tenant: str, path: str, headers: dict[str, str] | None
) -> None:
    body = {"tenant_id": tenant, "order_id": "x", "codes": ["X"], "links": []}
    sent = codes.headers if headers is None else headers
    answer = await codes.client.post(f"/internal/{path}", json=body, headers=sent)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "change", [{"codes": []}, {"codes": ["X"] * 1001}, {"order_id": None}, {"tenant_id": "x"}, {"more": 1}]
)
async def test_a_release_that_cannot_be_meant_is_refused(
    codes: Codes, tenant: str, change: dict[str, Any]
) -> None:
    body = {"tenant_id": tenant, "order_id": "x", "codes": ["X"], **change}
    answer = await codes.client.post("/internal/codes/release", json=body, headers=KEY)
    assert answer.status_code == 422


async def test_the_longest_free_code_of_a_pool_is_told(codes: Codes, tenant: str) -> None:
    for name in ("A-1", "A-LONGER-1", "A-LONGER-THAN-ALL-1"):
        await codes.create(name, pool="spring")
    await codes.data("POST", "/codes/A-LONGER-THAN-ALL-1/revoke")
    path = f"/internal/codes/longest?tenant_id={tenant}&pool="
    found = await codes.client.get(f"{path}spring", headers=KEY)
    assert found.json()["data"] == {"code": "A-LONGER-1", "free": None}
    for most, free in ((1, 1), (2, 2), (9, 2)):
        found = await codes.client.get(f"{path}spring&count_up_to={most}", headers=KEY)
        assert found.json()["data"]["free"] == free
    none = await codes.client.get(f"{path}autumn&count_up_to=9", headers=KEY)
    assert none.json()["data"] == {"code": None, "free": 0}


async def links(codes: Codes, tenant: str, **wanted: str) -> list[dict[str, Any]]:
    body = {
        "tenant_id": tenant,
        "links": [{"reference": name, "url": url, "title": "Spring texts"} for name, url in wanted.items()],
    }
    found: list[dict[str, Any]] = await asked(codes, "links", body)
    return found


async def location(client: httpx.AsyncClient, short_url: str) -> str:
    answer = await client.get(httpx.URL(short_url).raw_path.decode())
    return answer.headers["location"]


async def test_the_same_reference_gets_the_same_link(codes: Codes, tenant: str, tenant_b: UUID) -> None:
    first, second = await links(codes, tenant, a="https://shop.test/a", b="https://shop.test/b?x=1")
    assert (first["reference"], second["reference"]) == ("a", "b")
    assert await location(codes.client, first["short_url"]) == "https://shop.test/a"
    assert await location(codes.client, second["short_url"]) == "https://shop.test/b?x=1"
    assert await links(codes, tenant, b="https://shop.test/b?x=1") == [second]
    (others,) = await links(codes, str(tenant_b), a="https://shop.test/a")
    assert others["id"] != first["id"]
    listed = await codes.data("GET", "/links")
    assert {(link["id"], link["title"]) for link in listed} == {
        (first["id"], "Spring texts"),
        (second["id"], "Spring texts"),
    }


async def test_what_no_link_can_lead_to_gets_none(codes: Codes, tenant: str) -> None:
    made = await links(
        codes,
        tenant,
        own="http://localhost:8000/l/abcdefg",
        login="https://ann:secret@shop.test/",
        scheme="ftp://shop.test/",
        good="https://shop.test/",
    )
    assert [link["short_url"] is not None for link in made] == [False, False, False, True]
