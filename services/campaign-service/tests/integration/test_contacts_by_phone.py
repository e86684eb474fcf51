"""People of whom only a phone is known."""

from __future__ import annotations

from typing import Any

import pytest

from .campaigns_kit import Kit

PHONE = "+12025550143"


async def create(kit: Kit, **body: Any) -> tuple[int, Any]:
    answer = await kit.request("POST", "/api/v2/contacts", json=body)
    return answer.status_code, answer.json()


async def test_a_phone_is_enough_and_tells_people_apart(kit: Kit) -> None:
    status, made = await create(kit, phone="(202) 555-0143", country="US", first_name="Ann")
    assert status == 201
    assert (made["data"]["email"], made["data"]["phone_e164"]) == (None, PHONE)
    status, again = await create(kit, phone="+1 202 555 0143")
    assert (status, again["error"]["code"], again["error"]["field"]) == (409, "CONTACT_EXISTS", "phone")
    assert again["error"]["details"]["id"] == made["data"]["id"]
    assert (await create(kit, phone=PHONE, email="ann@example.com"))[0] == 201


@pytest.mark.parametrize("body", [{}, {"first_name": "Ann"}, {"phone": "call me"}, {"phone": "202 555 0143"}])
async def test_nobody_is_a_contact_who_cannot_be_reached(kit: Kit, body: dict[str, Any]) -> None:
    assert (await create(kit, **body))[0] in (400, 422)


async def test_a_changed_phone_stays_a_number_of_its_own(kit: Kit) -> None:
    ann = (await create(kit, phone=PHONE))[1]["data"]["id"]
    bob = (await create(kit, phone="+12025550144"))[1]["data"]["id"]

    async def change(contact: str, **body: Any) -> int:
        path = f"/api/v2/contacts/{kit.tenant}/{contact}"
        return (await kit.request("PUT", path, json=body)).status_code

    assert await change(bob, phone=PHONE) == 409
    assert await change(bob, phone="no number") == 400
    assert await change(bob, phone=None) == 400
    assert await change(bob, phone="+1 202-555-0145") == 200
    assert await change(ann, email="ann@example.com") == 200
    assert await change(bob, phone=PHONE) == 200


async def test_mails_go_past_who_has_no_address(kit: Kit) -> None:
    await create(kit, phone=PHONE)
    await kit.add_contacts(1)
    campaign = await kit.create()
    audience = await kit.ok("GET", f"/{campaign['id']}/audience")
    assert (audience["count"], audience["not_eligible"]) == (1, {"no_email": 1})
    await kit.ok("POST", f"/{campaign['id']}/send")
    assert len(await kit.recipients(campaign["id"])) == 1


async def test_many_at_once(kit: Kit) -> None:
    items = [{"phone": PHONE}, {"phone": "+1 (202) 555-0143"}, {"phone": "what"}, {"email": "a@example.com"}]
    path = f"/api/v2/contacts/{kit.tenant}/bulk"
    answer = await kit.request("POST", path, json={"action": "create", "items": items})
    results = answer.json()["data"]["results"]
    assert [result["status"] for result in results] == ["created", "exists", "invalid", "created"]
    assert results[1]["id"] == results[0]["id"]
