from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.database import SimpleDatabase
from shared.testing import TokenMint


class Tags:
    """The tag endpoints as one caller uses them."""

    def __init__(self, client: httpx.AsyncClient, tenant: UUID, headers: dict[str, str]) -> None:
        self.client = client
        self.tenant = tenant
        self.headers = headers
        self.base = f"/api/v2/tags/{tenant}"

    async def post(self, **body: Any) -> httpx.Response:
        return await self.client.post("/api/v2/tags", json=body, headers=self.headers)

    async def create(self, slug: str, **body: Any) -> dict[str, Any]:
        answer = await self.post(slug=slug, **{"name": slug, **body})
        assert answer.status_code == 201, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def contact(self, email: str, *slugs: str) -> str:
        body = {"email": email, "tags": slugs}
        answer = await self.client.post("/api/v2/contacts", json=body, headers=self.headers)
        return str(answer.json()["data"]["id"])

    async def call(self, method: str, tag_id: str = "", **body: Any) -> httpx.Response:
        path = f"{self.base}/{tag_id}" if tag_id else self.base
        return await self.client.request(method, path, json=body or None, headers=self.headers)

    async def counts(self) -> dict[str, int]:
        return {tag["slug"]: tag["contact_count"] for tag in (await self.call("GET")).json()["data"]}


@pytest.fixture
def tags(client: httpx.AsyncClient, tenant_a: UUID, headers: dict[str, str]) -> Tags:
    return Tags(client, tenant_a, headers)


async def test_tags_count_their_contacts_and_go_with_their_associations(tags: Tags) -> None:
    made = await tags.create("real_estate", name="Real Estate", description="Agents", color="#00ff00")
    assert (made["slug"], made["contact_count"]) == ("real_estate", 0)
    contact = await tags.contact("a@example.com", "real_estate", "verified")
    await tags.contact("b@example.com", "real_estate")
    assert await tags.counts() == {"real_estate": 2, "verified": 1}
    assert (await tags.call("GET", made["id"])).json()["data"]["contact_count"] == 2

    deleted = await tags.call("DELETE", made["id"])
    assert deleted.json()["data"] == {"id": made["id"], "contacts": 2}
    assert await tags.counts() == {"verified": 1}
    answer = await tags.client.get(f"/api/v2/contacts/{tags.tenant}/{contact}", headers=tags.headers)
    assert answer.json()["data"]["tags"] == ["verified"]


async def test_deleting_a_contact_takes_it_out_of_the_counts(tags: Tags) -> None:
    contact = await tags.contact("a@example.com", "x")
    await tags.client.delete(f"/api/v2/contacts/{tags.tenant}/{contact}", headers=tags.headers)
    assert await tags.counts() == {"x": 0}


async def test_slugs_are_kept_as_given(tags: Tags) -> None:
    for slug in ["a", "real_estate", "real-estate", "2026", "a_b-c"]:
        assert (await tags.create(slug))["slug"] == slug


async def test_other_slugs_are_refused(tags: Tags) -> None:
    for slug in ["", "A", "a b", "_a", "a-", "a__b", "é", "a\n", "x" * 65]:
        assert (await tags.post(slug=slug, name="x")).status_code == 422, slug
    assert await tags.counts() == {}


async def test_a_slug_is_made_from_the_name_when_none_is_given(tags: Tags) -> None:
    assert (await tags.post(name=" Real  Estate (FR) ")).json()["data"]["slug"] == "real-estate-fr"
    answer = await tags.post(name="…")
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "slug")


async def test_a_slug_is_taken_once(tags: Tags) -> None:
    await tags.create("a")
    other = await tags.create("b")
    assert (await tags.post(slug="a", name="x")).json()["error"]["code"] == "TAG_SLUG_TAKEN"
    assert (await tags.call("PUT", other["id"], slug="a")).status_code == 409


async def test_only_given_fields_change(tags: Tags) -> None:
    made = await tags.create("a", description="old", color="#112233")
    changed = (await tags.call("PUT", made["id"], description=None, name="New")).json()["data"]
    assert (changed["name"], changed["description"], changed["color"]) == ("New", None, "#112233")
    assert (await tags.call("PUT", made["id"], name=None)).status_code == 422


async def test_a_tag_stays_while_a_scheduled_campaign_needs_it(
    tags: Tags, db: SimpleDatabase, tenant_a: UUID
) -> None:
    made = await tags.create("keep-out")
    template = uuid4()
    async with db.tenant_tx(tenant_a) as tx:
        sql = "INSERT INTO template (tenant_id, id, name) VALUES ($1, $2, 'T')"
        await tx.execute(sql, tenant_a, template)
        await tx.execute(
            """INSERT INTO campaign (tenant_id, id, name, template_id, status, scheduled_at, exclude_tags)
               VALUES ($1, $2, 'Spring', $3, 'scheduled', now() + interval '1 day', '{keep-out}')""",
            tenant_a,
            uuid4(),
            template,
        )
    for answer in (await tags.call("DELETE", made["id"]), await tags.call("PUT", made["id"], slug="other")):
        assert answer.status_code == 409
        assert answer.json()["error"]["details"] == {"campaigns": ["Spring"]}
    assert (await tags.call("PUT", made["id"], name="Other name")).status_code == 200


async def test_lists_page_by_slug(tags: Tags) -> None:
    for slug in ("c", "a", "b"):
        await tags.create(slug)
    first = await tags.client.get(tags.base, params={"limit": 2}, headers=tags.headers)
    assert [tag["slug"] for tag in first.json()["data"]] == ["a", "b"]
    params = {"limit": 2, "cursor": first.json()["meta"]["next_cursor"]}
    rest = await tags.client.get(tags.base, params=params, headers=tags.headers)
    assert [tag["slug"] for tag in rest.json()["data"]] == ["c"]


async def test_tags_are_a_tenants_own_and_need_a_role(
    tags: Tags, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    made = await tags.create("a")
    requests: list[tuple[str, str, Any]] = [
        ("GET", "/api/v2/tags/{t}", None),
        ("GET", "/api/v2/tags/{t}/" + made["id"], None),
        ("PUT", "/api/v2/tags/{t}/" + made["id"], {"name": "x"}),
        ("DELETE", "/api/v2/tags/{t}/" + made["id"], None),
        ("POST", "/api/v2/tags", {"name": "x", "tenant_id": str(tenant_a)}),
    ]
    stranger, viewer = mint.headers(tenant_b), mint.headers(tenant_a, "viewer")
    for method, path, body in requests:
        ours = path.format(t=tenant_a)
        assert (await tags.client.request(method, ours, json=body, headers=stranger)).status_code == 404
        expected = 200 if method == "GET" else 403
        assert (await tags.client.request(method, ours, json=body, headers=viewer)).status_code == expected
        assert (await tags.client.request(method, ours, json=body)).status_code == 401
    for method, path, body in requests[1:4]:
        answer = await tags.client.request(method, path.format(t=tenant_b), json=body, headers=stranger)
        assert answer.status_code == 404
    assert await tags.counts() == {"a": 0}
