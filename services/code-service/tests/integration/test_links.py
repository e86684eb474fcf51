import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from code_service.links import repository
from code_service.links.recorder import ClickRecorder
from code_service.links.visit import Click
from shared.database import SimpleDatabase
from shared.testing import FakeClock, TokenMint
from shared.testing.clients import service_client
from shared.utils import uuid7

from .codes_kit import Codes, refusal

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36"


async def visit(
    client: httpx.AsyncClient, short_id: str, agent: str = FIREFOX, **headers: str
) -> httpx.Response:
    return await client.get(f"/l/{short_id}", headers={"User-Agent": agent} | headers)


async def flushed(app: FastAPI) -> None:
    """Wait until no click waits any more."""
    for _ in range(3000):
        if not app.state.runtime.extras["clicks"]._waiting:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("clicks are still waiting")


async def test_a_link_leads_on_with_its_parameters(codes: Codes) -> None:
    body = {
        "url": "https://shop.test/p?utm_source=old&x=1#top",
        "utm": {"source": "mail", "campaign": "spring"},
    }
    made = await codes.data("POST", "/links", body)
    target = "https://shop.test/p?x=1&utm_source=mail&utm_campaign=spring#top"
    assert made["target_url"] == target
    assert made["utm"] == {"source": "mail", "campaign": "spring"}
    assert made["short_url"] == f"http://localhost:8000/l/{made['short_id']}"
    for path in (f"/l/{made['short_id']}?next=https://evil.test", f"/links/{made['short_id']}/redirect"):
        answer = await codes.client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (302, target)
        assert "no-store" in answer.headers["cache-control"]
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"


async def test_names_of_the_first_version_work(codes: Codes) -> None:
    body = {"original_url": "https://shop.test/", "utm_source": "x", "utm_medium": "y"}
    assert (await codes.data("POST", "/links", body))[
        "target_url"
    ] == "https://shop.test/?utm_source=x&utm_medium=y"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://a.test/\r\nSet-Cookie: a=b",
        "//a.test",
        "https://u:p@a.test/",
        "ftp://a.test",
    ],
)
async def test_other_targets_are_refused(codes: Codes, url: str) -> None:
    assert (await codes.call("POST", "/links", {"url": url})).status_code == 422
    assert await codes.data("GET", "/links") == []


async def test_a_link_to_a_short_link_is_refused(codes: Codes) -> None:
    answer = await codes.call("POST", "/links", {"url": "http://LOCALHOST:8000/l/abc"})
    assert refusal(answer) == (400, "VALIDATION_ERROR")


async def test_slugs_are_taken_once_in_the_whole_installation(
    codes: Codes, mint: TokenMint, tenant_b: UUID
) -> None:
    made = await codes.data("POST", "/links", {"url": "https://a.test/", "slug": "spring"})
    other = Codes(codes.client, mint.headers(tenant_b))
    body = {"url": "https://evil.test/", "slug": "spring"}
    assert refusal(await other.call("POST", "/links", body)) == (409, "SLUG_TAKEN")
    await codes.data("DELETE", f"/links/{made['id']}")
    assert refusal(await other.call("POST", "/links", body)) == (409, "SLUG_TAKEN")
    assert (await codes.call("POST", "/links", {"url": "https://a.test/", "slug": "a/b"})).status_code == 422
    assert (await codes.client.get("/l/Spring")).status_code == 404


async def test_links_that_are_off_expired_or_deleted_are_gone(timed: Codes, clock: FakeClock) -> None:
    body = {"url": "https://a.test/", "slug": "one", "expires_at": clock.now().timestamp() + 60}
    made = await timed.data("POST", "/links", body)
    path = f"/links/{made['id']}"
    assert (await timed.client.get("/l/one")).status_code == 302
    await timed.data("PATCH", path, {"is_active": False})
    assert (await timed.client.get("/l/one")).status_code == 410
    await timed.data("PATCH", path, {"is_active": True, "url": "https://b.test/"})
    assert (await timed.client.get("/l/one")).headers["location"] == "https://b.test/"
    clock.advance(60)
    assert (await timed.client.get("/l/one")).status_code == 410
    await timed.data("PATCH", path, {"expires_at": None})
    assert (await timed.client.get("/l/one")).status_code == 302
    await timed.data("DELETE", path)
    gone = await timed.client.get("/l/one")
    assert (gone.status_code, "location" in gone.headers) == (410, False)
    assert (await timed.call("GET", path)).status_code == 404
    assert (await timed.client.get("/l/unknown%00")).status_code == 404


async def test_another_process_is_followed_within_two_seconds(
    timed: Codes, clock: FakeClock, db: SimpleDatabase, tenant_a: UUID
) -> None:
    await timed.data("POST", "/links", {"url": "https://a.test/", "slug": "one"})
    assert (await timed.client.get("/l/one")).status_code == 302
    async with db.tenant_tx(tenant_a) as tx:
        await tx.execute("UPDATE link SET is_active = false WHERE tenant_id = $1", tenant_a)
    clock.advance(2)
    assert (await timed.client.get("/l/one")).status_code == 410


async def test_people_are_counted_and_scanners_beside_them(codes: Codes, app: FastAPI) -> None:
    made = await codes.data("POST", "/links", {"url": "https://a.test/", "slug": "one"})
    await visit(codes.client, "one", Referer="https://News.test/secret")
    await visit(codes.client, "one", PHONE, **{"X-Forwarded-For": "192.0.2.1, 198.51.100.7"})
    await visit(codes.client, "one", "curl/8.5")
    for path in ("/l/one", "/links/one/redirect"):
        await codes.client.head(path, headers={"User-Agent": FIREFOX})
    await flushed(app)
    stats = await codes.data("GET", f"/links/{made['id']}/stats")
    day = datetime.now(UTC).date().isoformat()
    assert stats["days"] == [{"day": day, "clicks": 2, "visitors": 2, "scanner_clicks": 3}]
    assert (stats["clicks"], stats["scanner_clicks"]) == (2, 3)
    assert {share["name"]: share["clicks"] for share in stats["referrers"]} == {"news.test": 1, "": 1}
    assert {share["name"]: share["clicks"] for share in stats["devices"]} == {"desktop": 1, "mobile": 1}
    link = await codes.data("GET", f"/links/{made['id']}")
    assert (link["clicks"], link["scanner_clicks"]) == (2, 3)
    past = await codes.data("GET", f"/links/{made['id']}/stats?to=2020-01-01")
    assert (past["clicks"], past["days"]) == (0, [])


async def test_no_address_is_kept_and_a_visitor_is_another_one_the_next_day(
    timed: Codes, app: FastAPI, clock: FakeClock, db: SimpleDatabase, tenant_a: UUID
) -> None:
    await timed.data("POST", "/links", {"url": "https://a.test/", "slug": "one"})
    for _ in range(2):
        await visit(timed.client, "one", **{"X-Forwarded-For": "198.51.100.7"})
        await visit(timed.client, "one", **{"X-Forwarded-For": "198.51.100.7"})
        clock.advance(86400)
    await flushed(app)
    async with db.tenant_tx(tenant_a) as tx:
        rows = await tx.fetch(
            "SELECT c::text AS row, visitor FROM link_click c WHERE tenant_id = $1", tenant_a
        )
    assert len(rows) == 4
    assert len({row["visitor"] for row in rows}) == 2
    assert not any("198.51.100" in row["row"] or "Firefox" in row["row"] for row in rows)


async def test_the_salt_of_a_day_is_shared_and_destroyed_when_the_day_is_over(
    timed: Codes, app: FastAPI, clock: FakeClock, db: SimpleDatabase, tenant_a: UUID
) -> None:
    link = await timed.data("POST", "/links", {"url": "https://a.test/"})
    now, today = clock.now(), clock.now().date()
    processes = [ClickRecorder(app.state.runtime) for _ in range(4)]
    for process in processes:
        click = Click(tenant_a, UUID(link["id"]), uuid7(), now, "human", "198.51.100.7", "", "desktop")
        process.add(click)
    await asyncio.gather(*(process.close() for process in processes))
    async with db.system_tx() as tx:
        assert await tx.fetchval("SELECT count(*) FROM link_click") == 4
        assert await tx.fetchval("SELECT count(DISTINCT visitor) FROM link_click") == 1
        assert await tx.fetchval("SELECT count(*) FROM visitor_salt") == 1
        assert await repository.forget_salts(tx, today) == 0
        assert await repository.forget_salts(tx, today + timedelta(days=1)) == 1


async def test_a_clean_stop_loses_no_click_and_tells_of_each(
    app: FastAPI, db: SimpleDatabase, mint: TokenMint, headers: dict[str, str]
) -> None:
    async with service_client(app, db, mint) as client:
        await app.state.runtime.events._relay.stop()
        links = Codes(client, headers)
        await links.data("POST", "/links", {"url": "https://a.test/", "slug": "one"})
        await asyncio.gather(*(visit(client, "one") for _ in range(700)))
    async with db.system_tx() as tx:
        assert await tx.fetchval("SELECT clicks FROM link") == 700
        assert await tx.fetchval("SELECT count(*) FROM link_click") == 700
        sql = "SELECT count(*) FROM outbox WHERE type = 'code.link.clicked.v1'"
        assert await tx.fetchval(sql) == 700


async def test_clicks_wait_while_the_database_is_away(codes: Codes, app: FastAPI, db: SimpleDatabase) -> None:
    made = await codes.data("POST", "/links", {"url": "https://a.test/", "slug": "one"})
    async with db.system_tx() as tx:
        await tx.execute("LOCK TABLE link_click IN ACCESS EXCLUSIVE MODE")
        for _ in range(3):
            assert (await visit(codes.client, "one")).status_code == 302
        await tx.execute("SELECT pg_sleep(0.3)")
    await flushed(app)
    assert (await codes.data("GET", f"/links/{made['id']}"))["clicks"] == 3


async def test_qr_codes(codes: Codes) -> None:
    made = await codes.data("POST", "/links", {"url": "https://a.test/", "slug": "one"})
    svg = await codes.call("GET", f"/links/{made['id']}/qr.svg")
    assert (svg.headers["content-type"], b"<svg" in svg.content) == ("image/svg+xml", True)
    png = await codes.call("GET", f"/links/{made['id']}/qr.png?scale=3")
    assert (png.headers["content-type"], png.content[:4]) == ("image/png", b"\x89PNG")
    await codes.create("A")
    assert b"<svg" in (await codes.call("GET", "/codes/a/qr.svg")).content


async def test_lists_search_and_page(codes: Codes) -> None:
    for slug in ("aaa", "bbb", "ccc"):
        await codes.data("POST", "/links", {"url": f"https://{slug}.test/", "slug": slug})
    first = (await codes.call("GET", "/links?limit=2")).json()
    assert [link["short_id"] for link in first["data"]] == ["ccc", "bbb"]
    rest = await codes.data("GET", f"/links?limit=2&cursor={first['meta']['next_cursor']}")
    assert [link["short_id"] for link in rest] == ["aaa"]
    assert [link["short_id"] for link in await codes.data("GET", "/links?q=BBB")] == ["bbb"]


async def test_links_are_a_tenants_own_and_need_a_role(
    codes: Codes, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    made = await codes.data("POST", "/links", {"url": "https://a.test/"})
    path = f"/links/{made['id']}"
    stranger, viewer = mint.headers(tenant_b), mint.headers(tenant_a, "viewer")
    requests: list[tuple[str, str, Any]] = [
        *(("GET", path + tail, None) for tail in ("", "/stats", "/qr.svg", "/qr.png")),
        ("PATCH", path, {"title": "x"}),
        ("DELETE", path, None),
    ]
    for method, url, body in requests:
        assert (await codes.client.request(method, url, json=body, headers=stranger)).status_code == 404
        expected = 200 if method == "GET" else 403
        assert (await codes.client.request(method, url, json=body, headers=viewer)).status_code == expected
        assert (await codes.client.request(method, url, json=body)).status_code == 401
    assert (await codes.call("PATCH", path, {"url": None})).status_code == 422
