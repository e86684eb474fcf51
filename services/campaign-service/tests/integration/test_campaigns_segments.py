"""Campaigns that go to a saved segment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from campaign_service.campaigns import service

from .campaigns_kit import Kit
from .contacts_kit import Contacts
from .sms_kit import open_phones


def contacts_of(kit: Kit) -> Contacts:
    return Contacts(kit.client, kit.tenant, kit.headers())


async def segment(kit: Kit, definition: dict[str, Any], name: str = "Chosen") -> str:
    body = {"name": name, "definition": definition}
    made: str = (await contacts_of(kit).call("POST", "/segments", body))["id"]
    return made


async def test_a_campaign_goes_to_the_segment_as_it_is_at_the_start(kit: Kit) -> None:
    people = contacts_of(kit)
    ann, *_ = await people.create("ann@example.com", "bob@example.com", country="FR", tags=["vip"])
    await people.create("cleo@example.com", country="FR")
    await people.create("dan@example.com", country="DE", tags=["vip"])
    french = await segment(kit, {"field": "country", "value": "FR"})
    campaign = await kit.create(segment_id=french, tags_all=["vip"])
    assert campaign["segment_id"] == french
    audience = await kit.ok("GET", f"/{campaign['id']}/audience")
    assert audience["count"] == 2
    assert [row["email"] for row in audience["sample"]] == ["ann@example.com", "bob@example.com"]
    preflight = await kit.ok("GET", f"/{campaign['id']}/preflight")
    assert "2 people would get this mail" in str(preflight)

    await people.call("PUT", f"/{ann}", {"country": "DE"})
    await kit.ok("POST", f"/{campaign['id']}/send")
    await people.create("eve@example.com", country="FR", tags=["vip"])
    frozen = await kit.recipients(campaign["id"])
    assert [row["email"] for row in frozen] == ["bob@example.com"]


async def test_texts_go_to_a_segment_too(kit: Kit) -> None:
    async with open_phones(kit) as phones:
        _, chosen = await phones.person(first_name="Ann")
        await phones.person(first_name="Bob")
        anns = await segment(kit, {"field": "first_name", "value": "Ann"})
        draft = await phones.draft(segment_id=anns)
        assert (await kit.ok("GET", f"/{draft['id']}/audience"))["count"] == 1
        await kit.ok("POST", f"/{draft['id']}/send")
        assert list(await phones.states(UUID(draft["id"]))) == [chosen]


async def test_a_segment_stays_while_a_campaign_waits_for_it(kit: Kit) -> None:
    await kit.add_contacts(1)
    everyone = await segment(kit, {"field": "email", "op": "is_set"})
    campaign = await kit.create(name="Later", segment_id=everyone)
    people = contacts_of(kit)
    refused = await kit.request("DELETE", f"{people.base}/segments/{everyone}")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (409, "SEGMENT_IN_USE")
    assert error["details"]["campaigns"] == [{"id": campaign["id"], "name": "Later"}]
    assert "Later" in error["message"]

    await kit.ok("POST", f"/{campaign['id']}/send")
    await people.call("DELETE", f"/segments/{everyone}")
    assert len(await kit.recipients(campaign["id"])) == 1


async def test_no_campaign_goes_to_everyone_because_its_segment_is_gone(kit: Kit) -> None:
    await kit.add_contacts(2)
    everyone = await segment(kit, {"field": "email", "op": "is_set"})
    campaign = await kit.create(segment_id=everyone)
    await kit.ok("POST", f"/{campaign['id']}/send")
    await contacts_of(kit).call("DELETE", f"/segments/{everyone}")
    copy = await kit.ok("POST", f"/{campaign['id']}/duplicate")
    for call in (("POST", "send"), ("GET", "audience")):
        answer = await kit.campaigns(call[0], f"/{copy['id']}/{call[1]}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UNKNOWN_SEGMENT")
    await kit.ok("PUT", f"/{copy['id']}", json={"segment_id": None})
    assert (await kit.ok("GET", f"/{copy['id']}/audience"))["count"] == 2


async def test_another_tenants_segment_is_not_there(kit: Kit) -> None:
    theirs = "00000000-0000-7000-8000-000000000001"
    body = {"name": "Spring", "template_id": str(await kit.add_template()), "segment_id": theirs}
    answer = await kit.request("POST", "/api/v2/campaigns", json=body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "segment_id")


async def test_a_schedule_whose_segment_lost_its_tag_goes_back_with_the_reason(lone_kit: Kit) -> None:
    kit = lone_kit
    await contacts_of(kit).create("ann@example.com", tags=["vip"])
    chosen = await segment(kit, {"tags_all": ["vip"]})
    campaign = await kit.create(segment_id=chosen)
    at = kit.clock.now() + timedelta(seconds=60)
    await kit.ok("POST", f"/{campaign['id']}/schedule", json={"scheduled_at": at.isoformat()})
    await kit.execute("DELETE FROM tag WHERE tenant_id = $1", kit.tenant)
    kit.clock.advance(61)
    async with kit.db.system_tx() as tx:
        assert await service.start_next_due(tx, kit.runtime, kit.clock.now())
    row = await kit.ok("GET", f"/{campaign['id']}")
    assert (row["status"], row["status_reason"]) == ("draft", "could not start: There is no tag vip")
