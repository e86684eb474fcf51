"""Files with people of whom only a phone is known, as photo portals have them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from .test_imports import Imports, counts

FILE = """email,phone,country,first name,tags,portal
,+1 (202) 555-0143,,Ann,buyer,one
,202 555 0143,US,Ann again,,one
bob@example.com,+12025550143,,Bob,buyer,one
,12,,Short,,one
,,,Nobody,,one
"""


@pytest.fixture
def imports(client: httpx.AsyncClient, tenant_a: UUID, headers: dict[str, str]) -> Imports:
    return Imports(client, tenant_a, headers)


async def people(imports: Imports) -> list[tuple[Any, ...]]:
    rows = (await imports.get(limit=200)).json()["data"]
    return sorted((row["email"] or row["phone_e164"], row["first_name"], row["tags"]) for row in rows)


async def test_a_number_is_as_good_as_an_address(imports: Imports) -> None:
    first = await imports.run(FILE, tags=["portal"])
    assert counts(first) == {"total": 5, "created": 2, "duplicate": 1, "rejected": 2}
    assert await imports.rejections(first["id"]) == [
        (3, "duplicate_in_file"),
        (5, "phone_invalid"),
        (6, "email_missing"),
    ]
    assert await people(imports) == [
        ("+12025550143", "Ann", ["buyer", "portal"]),
        ("bob@example.com", "Bob", ["buyer", "portal"]),
    ]
    again = await imports.run(FILE, tags=["portal"])
    assert counts(again) == {"total": 5, "unchanged": 2, "duplicate": 1, "rejected": 2}


@pytest.mark.parametrize(("mode", "name"), [("update", "Anna"), ("fill_empty", "Ann"), ("skip", "Ann")])
async def test_people_who_are_there_are_treated_as_asked(imports: Imports, mode: str, name: str) -> None:
    await imports.run("email,phone,first name\n,+12025550143,Ann\n")
    await imports.run("email,phone,first name,city\n,+12025550143,Anna,Rome\n", on_conflict=mode)
    (row,) = (await imports.get()).json()["data"]
    assert row["first_name"] == name
    assert row["custom_fields"] == ({} if mode == "skip" else {"city": "Rome"})


async def test_a_file_of_phones_alone_is_enough(imports: Imports) -> None:
    report = await imports.run(
        'Mobile;Name;sms_marketing_consent\n+12025550143;Ann Berg;yes\n"unclosed;Bob;yes\n'
        "+1 202 555 0143;Ann again;yes\n;Nobody;yes\n+12025550144;Cleo;no\n"
    )
    assert counts(report) == {"total": 5, "created": 2, "duplicate": 1, "rejected": 2}
    assert await imports.rejections(report["id"]) == [
        (3, "unclosed_quote"),
        (4, "duplicate_in_file"),
        (5, "phone_missing"),
    ]
    assert [(who, name) for who, name, _ in await people(imports)] == [
        ("+12025550143", "Ann"),
        ("+12025550144", "Cleo"),
    ]
    again = await imports.run("+12025550143,Anna\n", mapping={"1": "phone", "2": "first_name"})
    assert counts(again) == {"total": 1, "updated": 1}


async def test_addresses_that_were_not_recognised_are_not_lost(imports: Imports) -> None:
    file = "Phone,Reach\n+12025550143,\n+12025550144,bob@example.com\n"
    refused = await imports.upload(file)
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "mapping")
    assert "Reach" in refused.json()["error"]["message"]
    meant = await imports.run(file, mapping={"Reach": "email"})
    assert meant["created"] == 2
    also = await imports.run(file, mapping={"Reach": None})
    assert counts(also) == {"total": 2, "created": 1, "unchanged": 1}


async def test_people_of_a_file_of_phones_are_whom_a_campaign_texts(imports: Imports) -> None:
    await imports.run("phone,sms_marketing_consent\n+12025550143,yes\n+12025550144,no\n", tags=["fair"])
    body = {
        "name": "Texts",
        "channel": "sms",
        "sms_text": "Hello. Reply STOP to end",
        "tags_all": ["fair"],
    }
    made = await imports.client.post("/api/v2/campaigns", json=body, headers=imports.headers)
    campaign = made.json()["data"]
    path = f"/api/v2/campaigns/{campaign['tenant_id']}/{campaign['id']}/audience"
    audience = (await imports.client.get(path, headers=imports.headers)).json()["data"]
    assert (audience["count"], audience["not_eligible"]) == (1, {"no_sms_consent": 1})
    assert [person["phone_e164"] for person in audience["sample"]] == ["+12025550143"]
