import csv
import io
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.database import SimpleDatabase
from shared.testing import TokenMint

Api = Any


class Contacts:
    """The contact endpoints as one caller uses them."""

    def __init__(self, client: httpx.AsyncClient, tenant: UUID, headers: dict[str, str]) -> None:
        self.client = client
        self.tenant = tenant
        self.headers = headers
        self.base = f"/api/v2/contacts/{tenant}"

    async def create(self, email: str, **fields: Any) -> dict[str, Any]:
        answer = await self.client.post(
            "/api/v2/contacts", json={"email": email, **fields}, headers=self.headers
        )
        assert answer.status_code == 201, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def get(self, path: str = "", **params: Any) -> httpx.Response:
        return await self.client.get(self.base + path, params=params, headers=self.headers)

    async def put(self, contact_id: str, **fields: Any) -> httpx.Response:
        return await self.client.put(f"{self.base}/{contact_id}", json=fields, headers=self.headers)

    async def delete(self, contact_id: str) -> httpx.Response:
        return await self.client.delete(f"{self.base}/{contact_id}", headers=self.headers)

    async def bulk(self, action: str, items: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        body = {"action": action, "items": items, **more}
        answer = await self.client.post(f"{self.base}/bulk", json=body, headers=self.headers)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def emails(self, **params: Any) -> list[str]:
        return [row["email"] for row in (await self.get(**params)).json()["data"]]


@pytest.fixture
def contacts(client: httpx.AsyncClient, tenant_a: UUID, headers: dict[str, str]) -> Contacts:
    return Contacts(client, tenant_a, headers)


async def test_a_contact_is_created_read_changed_and_deleted(contacts: Contacts) -> None:
    made = await contacts.create(
        " Anna <Anna@Example.com>",
        first_name="Anna",
        language="fr-FR",
        country="France",
        custom_fields={"company": "ACME", "visits": 3, "vip": True, "gone": None},
        tags=["vip", "real_estate"],
    )
    assert (made["email"], made["language"], made["country"]) == ("Anna@Example.com", "fr", "FR")
    assert made["custom_fields"] == {"company": "ACME", "visits": 3, "vip": True}
    assert made["tags"] == ["real_estate", "vip"]
    assert (await contacts.get(f"/{made['id']}")).json()["data"] == made

    answer = await contacts.put(made["id"], first_name=None, custom_fields={"visits": None, "town": "Ghent"})
    changed = answer.json()["data"]
    assert changed["first_name"] is None
    assert changed["language"] == "fr"
    assert changed["custom_fields"] == {"company": "ACME", "vip": True, "town": "Ghent"}
    assert (await contacts.put(made["id"], tags=["new"])).json()["data"]["tags"] == ["new"]

    assert (await contacts.delete(made["id"])).status_code == 200
    assert (await contacts.get(f"/{made['id']}")).status_code == 404
    assert (await contacts.delete(made["id"])).status_code == 404


async def test_an_address_belongs_to_one_contact_whatever_its_case(contacts: Contacts) -> None:
    first = await contacts.create("anna@example.com")
    second = await contacts.create("bob@example.com")
    again = await contacts.client.post(
        "/api/v2/contacts", json={"email": "ANNA@example.com"}, headers=contacts.headers
    )
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "CONTACT_EXISTS"
    assert again.json()["error"]["details"]["id"] == first["id"]
    moved = await contacts.put(second["id"], email="Anna@Example.com")
    assert (moved.status_code, moved.json()["error"]["field"]) == (409, "email")
    assert (await contacts.put(first["id"], email="Anna@Example.com")).status_code == 200


async def test_another_address_may_be_written_to_again(contacts: Contacts) -> None:
    bounced, gone = [await contacts.create(f"{name}@example.com") for name in ("typo", "gone")]
    for name, reason in (("typo", "hard_bounce"), ("gone", "unsubscribed"), ("dead", "hard_bounce")):
        body = {"address": f"{name}@example.com", "reason": reason}
        path = f"/api/v2/suppressions/{contacts.tenant}"
        assert (await contacts.client.post(path, json=body, headers=contacts.headers)).is_success
    moves = [(bounced, "right", "valid"), (bounced, "dead", "invalid"), (gone, "new", "unsubscribed")]
    for contact, name, status in moves:
        changed = await contacts.put(contact["id"], email=f"{name}@example.com")
        assert changed.json()["data"]["status"] == status


async def test_wrong_values_are_refused_by_name(contacts: Contacts) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"email": "nobody"}, "email"),
        ({"email": "a@example.com", "tags": ["Not A Slug"]}, "tags"),
        ({"email": "a@example.com", "first_name": "a\u0000b"}, "first_name"),
        ({"email": "a@example.com", "custom_fields": {"a b": 1}}, "custom_fields"),
        ({"email": "a@example.com", "custom_fields": {"a": "x\u0000"}}, "custom_fields"),
        ({"email": "a@example.com", "status": "sent"}, "status"),
        ({"email": "a@example.com", "surprise": 1}, "surprise"),
        ({"email": "a@example.com", "language": "?"}, "language"),
    ]
    for body, field in cases:
        answer = await contacts.client.post("/api/v2/contacts", json=body, headers=contacts.headers)
        assert answer.status_code == 422, body
        assert field in answer.text
    assert await contacts.emails() == []


async def test_broken_bodies_get_the_error_envelope(contacts: Contacts) -> None:
    cases = [
        (b'{"email": "a@example.com"', "application/json"),
        (b'{"email": "\xff\xfe"}', "application/json"),
        (b'{"email": "a@example.com", "first_name": "\\ud800"}', "application/json"),
        (b"[]", "application/json"),
        (b"email=a@example.com", "application/x-www-form-urlencoded"),
    ]
    for content, content_type in cases:
        headers = {**contacts.headers, "Content-Type": content_type}
        answer = await contacts.client.post("/api/v2/contacts", content=content, headers=headers)
        assert 400 <= answer.status_code < 500, content
        assert answer.json()["success"] is False


async def test_lists_filter_and_page_without_gaps(contacts: Contacts) -> None:
    for i in range(7):
        await contacts.create(
            f"p{i}@example.com", first_name=f"Zoë {i}", language="fr" if i % 2 else "en", tags=[f"t{i % 3}"]
        )
    assert await contacts.emails(language="fr") == ["p5@example.com", "p3@example.com", "p1@example.com"]
    assert await contacts.emails(tag="t2") == ["p5@example.com", "p2@example.com"]
    assert await contacts.emails(q="ZOË 4") == ["p4@example.com"]
    assert await contacts.emails(q="%") == []
    assert await contacts.emails(status="unsubscribed") == []
    seen: list[str] = []
    cursor = None
    while True:
        page = (await contacts.get(limit=3, **({"cursor": cursor} if cursor else {}))).json()
        seen += [row["email"] for row in page["data"]]
        cursor = page["meta"]["next_cursor"]
        if not cursor:
            break
    assert seen == [f"p{i}@example.com" for i in reversed(range(7))]


async def test_a_bulk_call_answers_every_item_by_itself(contacts: Contacts) -> None:
    there = await contacts.create("there@example.com")
    made = await contacts.bulk(
        "create",
        [
            {"email": "new@example.com", "tags": ["a"]},
            {"email": "There@example.com"},
            {"email": "nonsense"},
            {"email": "NEW@example.com"},
            {"email": "other@example.com", "tags": ["a", "b"]},
        ],
    )
    assert [r["status"] for r in made["results"]] == ["created", "exists", "invalid", "exists", "created"]
    assert made["results"][1]["id"] == there["id"]
    assert made["results"][2]["field"] == "email"
    assert (made["succeeded"], made["failed"]) == (2, 3)
    assert await contacts.emails(tag="a") == ["other@example.com", "new@example.com"]

    unknown = str(uuid4())
    updated = await contacts.bulk(
        "update",
        [
            {"email": "new@example.com", "first_name": "Nina"},
            {"id": there["id"], "new_email": "other@example.com"},
            {"id": unknown, "first_name": "x"},
            {"email": "other@example.com", "language": None},
            {"first_name": "nobody"},
            {"email": "there@example.com", "language": "en"},
        ],
    )
    assert [r["status"] for r in updated["results"]] == [
        "updated",
        "exists",
        "not_found",
        "invalid",
        "invalid",
        "unchanged",
    ]
    tagged = await contacts.bulk("tag", [{"id": there["id"]}, {"id": unknown}], tags=["b", "c"])
    assert [r["status"] for r in tagged["results"]] == ["tagged", "not_found"]
    again = await contacts.bulk("tag", [{"id": there["id"]}], tags=["c"])
    assert again["results"][0]["status"] == "unchanged"
    untagged = await contacts.bulk("untag", [{"email": "there@example.com"}], tags=["b", "zzz"])
    assert untagged["results"][0]["status"] == "untagged"
    assert (await contacts.get(f"/{there['id']}")).json()["data"]["tags"] == ["c"]
    gone = await contacts.bulk("delete", [{"email": "new@example.com"}, {"email": "new@example.org"}])
    assert [r["status"] for r in gone["results"]] == ["deleted", "not_found"]


async def test_a_bulk_call_has_a_limit_and_needs_tags_to_tag(contacts: Contacts) -> None:
    body = {"action": "delete", "items": [{"id": str(uuid4())}] * 1001}
    answer = await contacts.client.post(f"{contacts.base}/bulk", json=body, headers=contacts.headers)
    assert answer.status_code == 422
    body = {"action": "tag", "items": [{"id": str(uuid4())}]}
    answer = await contacts.client.post(f"{contacts.base}/bulk", json=body, headers=contacts.headers)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "tags")


async def test_exports_hold_every_contact_and_no_formula(contacts: Contacts) -> None:
    for i in range(3):
        await contacts.create(f"p{i}@example.com", first_name="=1+1", last_name="@x", phone="+3222222222")
    await contacts.create("q@example.com", custom_fields={"note": '-2 "x"\n,;', "n": -5}, tags=["a", "b"])
    answer = await contacts.get("/export.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["email"] for row in rows] == [f"p{i}@example.com" for i in range(3)] + ["q@example.com"]
    assert (rows[0]["first_name"], rows[0]["last_name"], rows[0]["phone"]) == ("'=1+1", "'@x", "'+3222222222")
    assert (rows[3]["note"], rows[3]["n"], rows[3]["tags"]) == ('\'-2 "x"\n,;', "'-5", "a,b")
    only = (await contacts.get("/export.csv", tag="a")).text
    assert len(list(csv.DictReader(io.StringIO(only)))) == 1


async def test_events_of_a_contact_come_latest_first_with_their_campaigns(
    contacts: Contacts, db: SimpleDatabase, tenant_a: UUID
) -> None:
    contact = await contacts.create("anna@example.com")
    template, campaign = uuid4(), uuid4()
    async with db.tenant_tx(tenant_a) as tx:
        sql = "INSERT INTO template (tenant_id, id, name) VALUES ($1, $2, 'T')"
        await tx.execute(sql, tenant_a, template)
        await tx.execute(
            """INSERT INTO campaign (tenant_id, id, name, template_id, status, started_at)
               VALUES ($1, $2, 'Spring', $3, 'sent', now())""",
            tenant_a,
            campaign,
            template,
        )
        await tx.execute(
            """INSERT INTO campaign_recipient (tenant_id, campaign_id, contact_id, email, language, state)
               VALUES ($1, $2, $3, 'anna@example.com', 'en', 'delivered')""",
            tenant_a,
            campaign,
            UUID(contact["id"]),
        )
        for n, kind in enumerate(["sent", "delivered", "opened"]):
            await tx.execute(
                """INSERT INTO message_event
                       (tenant_id, id, campaign_id, contact_id, type, occurred_at, dedupe_key)
                   VALUES ($1, $2, $3, $4, $5, now() + $6 * interval '1 second', $7)""",
                tenant_a,
                uuid4(),
                campaign,
                UUID(contact["id"]),
                kind,
                n,
                bytes([n]),
            )
    first = (await contacts.get(f"/{contact['id']}/events", limit=2)).json()
    assert [e["type"] for e in first["data"]["events"]] == ["opened", "delivered"]
    assert first["data"]["events"][0]["campaign_name"] == "Spring"
    assert [c["state"] for c in first["data"]["campaigns"]] == ["delivered"]
    rest = (await contacts.get(f"/{contact['id']}/events", cursor=first["meta"]["next_cursor"])).json()
    assert [e["type"] for e in rest["data"]["events"]] == ["sent"]
    assert (await contacts.get(f"/{uuid4()}/events")).status_code == 404


def _requests(tenant: UUID, contact: str) -> list[tuple[str, str, Any]]:
    base = f"/api/v2/contacts/{tenant}"
    bulk = {"action": "delete", "items": [{"id": contact}]}
    return [
        ("GET", base, None),
        ("GET", f"{base}/export.csv", None),
        ("GET", f"{base}/{contact}", None),
        ("GET", f"{base}/{contact}/events", None),
        ("PUT", f"{base}/{contact}", {"first_name": "Eve"}),
        ("DELETE", f"{base}/{contact}", None),
        ("POST", f"{base}/bulk", bulk),
        ("POST", "/api/v2/contacts", {"email": "eve@example.com", "tenant_id": str(tenant)}),
    ]


async def test_another_tenant_finds_nothing_and_changes_nothing(
    contacts: Contacts, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    contact = await contacts.create("anna@example.com")
    stranger = mint.headers(tenant_b)
    for method, path, body in _requests(tenant_a, contact["id"]):
        answer = await contacts.client.request(method, path, json=body, headers=stranger)
        assert answer.status_code == 404, (method, path)
    own = f"/api/v2/contacts/{tenant_b}/{contact['id']}"
    for method, path in (("GET", own), ("PUT", own), ("DELETE", own), ("GET", f"{own}/events")):
        body = {"first_name": "Eve"} if method == "PUT" else None
        answer = await contacts.client.request(method, path, json=body, headers=stranger)
        assert answer.status_code == 404, (method, path)
    theirs = {"action": "delete", "items": [{"id": contact["id"]}]}
    answer = await contacts.client.post(f"/api/v2/contacts/{tenant_b}/bulk", json=theirs, headers=stranger)
    assert answer.json()["data"]["results"][0]["status"] == "not_found"
    assert (await contacts.get(f"/{contact['id']}")).json()["data"] == contact


async def test_viewers_read_and_strangers_do_not(contacts: Contacts, mint: TokenMint, tenant_a: UUID) -> None:
    contact = await contacts.create("anna@example.com")
    viewer = mint.headers(tenant_a, "viewer")
    for method, path, body in _requests(tenant_a, contact["id"]):
        answer = await contacts.client.request(method, path, json=body, headers=viewer)
        assert answer.status_code == (200 if method == "GET" else 403), (method, path)
        nobody = await contacts.client.request(method, path, json=body)
        assert nobody.status_code == 401, (method, path)
