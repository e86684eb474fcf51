"""Writing campaigns over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.utils import uuid7

from .campaigns_kit import Kit


async def test_a_campaign_is_created_read_changed_and_deleted(kit: Kit) -> None:
    await kit.add_tags("verified", "real_estate", "bounced")
    created = await kit.create(
        tags_all=["verified", "verified"], tags_any=["real_estate"], exclude_tags=["bounced"], language="fr"
    )
    assert (created["status"], created["tags_all"], created["language"]) == ("draft", ["verified"], "fr")
    changed = await kit.ok("PUT", f"/{created['id']}", json={"name": "Summer", "language": None})
    assert (changed["name"], changed["language"], changed["tags_any"]) == ("Summer", None, ["real_estate"])
    assert (await kit.ok("GET", f"/{created['id']}"))["name"] == "Summer"
    assert await kit.ok("DELETE", f"/{created['id']}") == {"id": created["id"]}
    assert (await kit.campaigns("GET", f"/{created['id']}")).status_code == 404


async def test_unknown_tags_are_named(kit: Kit) -> None:
    await kit.add_tags("known")
    body = {"name": "x", "template_id": str(await kit.add_template()), "tags_all": ["known", "nope"]}
    body["exclude_tags"] = ["gone"]
    answer = await kit.request("POST", "/api/v2/campaigns", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (400, "UNKNOWN_TAGS", "tags_all")
    assert error["details"]["unknown"] == {"tags_all": ["nope"], "exclude_tags": ["gone"]}
    campaign = await kit.create(tags_all=["known"])
    answer = await kit.campaigns("PUT", f"/{campaign['id']}", json={"tags_any": ["nope"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UNKNOWN_TAGS")


async def test_tags_of_another_tenant_are_unknown(kit: Kit, tenant_b: UUID) -> None:
    async with kit.db.tenant_tx(tenant_b) as tx:
        await tx.execute(
            "INSERT INTO tag (tenant_id, id, slug, name) VALUES ($1, $2, 'theirs', 'x')", tenant_b, uuid7()
        )
    body = {"name": "x", "template_id": str(await kit.add_template()), "tags_any": ["theirs"]}
    assert (await kit.request("POST", "/api/v2/campaigns", json=body)).json()["error"][
        "code"
    ] == "UNKNOWN_TAGS"


async def test_the_template_must_exist_and_have_the_language(kit: Kit) -> None:
    template = await kit.add_template(("en",))
    for fields, field in (
        ({"template_id": str(uuid7())}, "template_id"),
        ({"template_id": str(template), "language": "fr"}, "language"),
    ):
        answer = await kit.request("POST", "/api/v2/campaigns", json={"name": "x", **fields})
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"tags_all": ["Not A Slug"]}, "tags_all.0"),
        ({"tags_all": "verified"}, "tags_all"),
        ({"from_email": "nobody"}, "from_email"),
        ({"from_name": "A\r\nBcc: x@example.com"}, "from_name"),
        ({"scheduled_at": "2030-01-01T09:00:00"}, "scheduled_at"),
        ({"scheduled_at": "9999-12-31T23:59:59-10:00"}, "scheduled_at"),
        ({"channel": "pigeon"}, "channel"),
        ({"status": "sent"}, "status"),
        ({"max_lateness_seconds": -1}, "max_lateness_seconds"),
        ({"template_id": 5}, "template_id"),
    ],
)
async def test_bad_fields_are_refused(kit: Kit, fields: dict[str, Any], field: str) -> None:
    body = {"name": "x", "template_id": str(uuid7()), **fields}
    answer = await kit.request("POST", "/api/v2/campaigns", json=body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


async def test_times_come_back_in_utc_and_a_time_alone_schedules_nothing(kit: Kit) -> None:
    created = await kit.create(scheduled_at="2030-03-01T09:00:00+02:00")
    assert (created["scheduled_at"], created["status"]) == ("2030-03-01T07:00:00Z", "draft")


async def test_the_tenant_in_the_body_must_be_the_callers(kit: Kit, tenant_b: UUID) -> None:
    assert (await kit.create(tenant_id=str(kit.tenant)))["tenant_id"] == str(kit.tenant)
    body = {"name": "x", "template_id": str(await kit.add_template()), "tenant_id": str(tenant_b)}
    assert (await kit.request("POST", "/api/v2/campaigns", json=body)).status_code == 404


async def test_an_external_name_is_used_once(kit: Kit) -> None:
    await kit.create(external_ref="gz674")
    body = {"name": "x", "template_id": str(await kit.add_template()), "external_ref": "gz674"}
    assert (await kit.request("POST", "/api/v2/campaigns", json=body)).status_code == 409


async def test_the_list_pages_from_the_newest_and_filters_by_status(kit: Kit) -> None:
    template = str(await kit.add_template())
    names: list[str] = []
    for number in range(5):
        await kit.create(name=f"c{number}", template_id=template)
        kit.clock.advance(1)
        names.insert(0, f"c{number}")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = (await kit.campaigns("GET", params=params)).json()
        seen += [row["name"] for row in answer["data"]]
        cursor = answer["meta"]["next_cursor"]
        if cursor is None:
            break
    assert seen == names
    assert (await kit.campaigns("GET", params={"status": "sent"})).json()["data"] == []
    assert (await kit.campaigns("GET", params={"status": "lost"})).status_code == 422
    assert (await kit.campaigns("GET", params={"cursor": "made-up"})).status_code == 400


async def test_a_copy_is_a_new_draft(kit: Kit) -> None:
    await kit.add_tags("verified")
    at = (kit.clock.now() + timedelta(days=1)).isoformat()
    campaign = await kit.create(tags_all=["verified"], scheduled_at=at, external_ref="abc")
    copy = await kit.ok("POST", f"/{campaign['id']}/duplicate")
    assert copy["id"] != campaign["id"]
    assert (copy["name"], copy["tags_all"], copy["status"]) == ("Spring (copy)", ["verified"], "draft")
    assert (copy["scheduled_at"], copy["external_ref"]) == (None, None)


async def test_a_started_campaign_cannot_be_changed_or_deleted(kit: Kit) -> None:
    campaign_id = await kit.started()
    for method, body in (("PUT", {"name": "y"}), ("DELETE", None)):
        answer = await kit.campaigns(method, f"/{campaign_id}", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CAMPAIGN_STATE")
    await kit.ok("POST", f"/{campaign_id}/cancel")
    assert (await kit.campaigns("DELETE", f"/{campaign_id}")).status_code == 409
