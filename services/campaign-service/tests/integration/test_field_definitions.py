"""Custom fields with a type: on every way by which contacts come, and where they are used."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from .campaigns_kit import Kit
from .contacts_kit import Contacts
from .test_imports import Imports


@pytest.fixture
def imports(client: httpx.AsyncClient, tenant_a: UUID, headers: dict[str, str]) -> Imports:
    return Imports(client, tenant_a, headers)


async def define(contacts: Contacts, key: str, kind: str, **more: Any) -> str:
    made: str = (await contacts.call("POST", "/fields", {"key": key, "type": kind, **more}))["id"]
    return made


async def custom(contacts: Contacts) -> dict[str, Any]:
    return {email: row["custom_fields"] for email, row in (await contacts.all()).items()}


async def refused(contacts: Contacts, body: dict[str, Any]) -> tuple[int, str]:
    answer = await contacts.client.post("/api/v2/contacts", json=body, headers=contacts.headers)
    return answer.status_code, answer.json()["error"]["field"]


async def test_a_definition_is_made_changed_and_deleted(contacts: Contacts) -> None:
    plan = await define(contacts, "plan", "choice", choices=["Free", "Gold"], default="gold", label="Plan")
    again = await contacts.post("/fields", {"key": "plan", "type": "text"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "FIELD_EXISTS")
    (listed,) = await contacts.call("GET", "/fields")
    assert (listed["id"], listed["default"], listed["is_required"]) == (plan, "Gold", False)
    changed = await contacts.call("PUT", f"/fields/{plan}", {"is_required": True, "default": None})
    assert (changed["is_required"], changed["default"], changed["label"]) == (True, None, "Plan")
    assert (await contacts.call("GET", f"/fields/{plan}"))["choices"] == ["Free", "Gold"]
    wrong: list[dict[str, Any]] = [{"default": "silver"}, {"choices": []}]
    for body in wrong:
        answer = await contacts.client.put(
            f"{contacts.base}/fields/{plan}", json=body, headers=contacts.headers
        )
        assert answer.status_code == 400, answer.text
    await contacts.call("DELETE", f"/fields/{plan}")
    assert await contacts.call("GET", "/fields") == []


@pytest.mark.parametrize(
    "body",
    [
        {"key": "Plan", "type": "text"},
        {"key": "plan", "type": "money"},
        {"key": "plan", "type": "choice"},
        {"key": "plan", "type": "choice", "choices": ["a", "A"]},
        {"key": "plan", "type": "number", "choices": ["a"]},
        {"key": "plan", "type": "number", "default": "many"},
    ],
)
async def test_a_definition_without_meaning_is_refused(contacts: Contacts, body: dict[str, Any]) -> None:
    assert (await contacts.post("/fields", body)).status_code == 422


async def test_contacts_made_by_hand_have_values_of_their_type(contacts: Contacts) -> None:
    await define(contacts, "age", "number")
    await define(contacts, "joined", "date", is_required=True)
    await define(contacts, "plan", "choice", choices=["Free", "Gold"], default="Free", is_required=True)
    [ann] = await contacts.create(
        "ann@example.com", custom_fields={"age": "41", "joined": "2026-03-01", "note": "any"}
    )
    assert await custom(contacts) == {
        "ann@example.com": {"age": 41, "joined": "2026-03-01", "note": "any", "plan": "Free"}
    }
    assert await refused(contacts, {"email": "bob@example.com"}) == (400, "custom_fields.joined")
    wrong = {"joined": "2026-03-01", "age": "old"}
    assert await refused(contacts, {"email": "b@example.com", "custom_fields": wrong}) == (
        400,
        "custom_fields.age",
    )
    await contacts.call("PUT", f"/{ann}", {"custom_fields": {"age": 42.5, "plan": "gold"}})
    for values in ({"joined": None}, {"joined": ""}, {"plan": "Iron"}):
        answer = await contacts.client.put(
            f"{contacts.base}/{ann}", json={"custom_fields": values}, headers=contacts.headers
        )
        assert answer.status_code == 400, values
    items = [{"id": ann, "custom_fields": {"age": "x"}}, {"id": ann, "custom_fields": {"age": 1}}]
    bulk = await contacts.call("POST", "/bulk", {"action": "update", "items": items})
    assert [(r["status"], r["field"]) for r in bulk["results"]] == [
        ("invalid", "custom_fields.age"),
        ("updated", None),
    ]
    assert (await custom(contacts))["ann@example.com"] == {
        "age": 1,
        "joined": "2026-03-01",
        "note": "any",
        "plan": "Gold",
    }


FILE = """email,Age in years,plan,joined,note
ann@example.com,41,GOLD,2026-03-01,x
bob@example.com,old,Gold,2026-03-01,x
cleo@example.com,,,2026-03-02T08:00:00Z,
dan@example.com,5,Iron,2026-03-01,
eve@example.com,6,,,x
"""


async def test_files_bring_values_of_their_type_or_are_told_why_not(
    imports: Imports, contacts: Contacts
) -> None:
    await define(contacts, "age", "number", label="Age in years")
    await define(contacts, "plan", "choice", choices=["Free", "Gold"], default="Free")
    await define(contacts, "joined", "date", is_required=True)
    report = await imports.run(FILE)
    assert (report["created"], report["rejected"], report["total"]) == (2, 3, 5)
    rows = (await imports.get(f"/imports/{report['id']}/rejections")).json()["data"]
    assert [(row["line_number"], row["reason_code"], row["reason"]) for row in rows] == [
        (3, "field_invalid", "age takes a number, such as 1234.5"),
        (5, "field_invalid", "plan takes one of: Free, Gold"),
        (6, "field_required", "joined is required for a new contact"),
    ]
    assert await custom(contacts) == {
        "ann@example.com": {"age": 41, "plan": "Gold", "joined": "2026-03-01", "note": "x"},
        "cleo@example.com": {"plan": "Free", "joined": "2026-03-02"},
    }
    # Who is there already keeps what a file does not say.
    again = await imports.run("email,age\nann@example.com,42\nnew@example.com,1\n")
    assert (again["updated"], again["rejected"]) == (1, 1)
    assert (await custom(contacts))["ann@example.com"] == {
        "age": 42,
        "plan": "Gold",
        "joined": "2026-03-01",
        "note": "x",
    }


async def test_a_strict_tenant_has_only_fields_that_are_defined(imports: Imports, contacts: Contacts) -> None:
    await define(contacts, "age", "number")
    assert await contacts.call("GET", "/field-settings") == {"is_strict": False}
    await contacts.call("PUT", "/field-settings", {"is_strict": True})
    assert await contacts.call("GET", "/field-settings") == {"is_strict": True}
    body = {"email": "ann@example.com", "custom_fields": {"color": "red"}}
    assert await refused(contacts, body) == (400, "custom_fields.color")
    await imports.run("email,age,color,sms_marketing_consent\nann@example.com,5,red,yes\n")
    assert await custom(contacts) == {"ann@example.com": {"age": 5, "sms_marketing_consent": "yes"}}
    answer = await imports.upload("email,c\nann@example.com,red\n", mapping={"c": "custom.color"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "mapping")


async def test_segments_compare_as_the_type_wants(contacts: Contacts) -> None:
    values: dict[str, dict[str, Any]] = {
        "before@example.com": {"age": "9", "joined": "not a date", "vip": "true"},
        "young@example.com": {"age": 8, "joined": "2026-01-31", "vip": True},
        "old@example.com": {"age": 70.5, "joined": "2026-02-01T08:00:00Z", "vip": False},
        "nobody@example.com": {},
    }
    for email, fields in values.items():
        await contacts.create(email, custom_fields=fields)
    await define(contacts, "age", "number")
    await define(contacts, "joined", "date")
    await define(contacts, "vip", "boolean")

    async def found(key: str, op: str, value: Any) -> set[str]:
        rule = {"custom": key, "op": op, "value": value}
        shown = await contacts.call("POST", "/segments/preview", {"definition": rule})
        return {row["email"].partition("@")[0] for row in shown["sample"]}

    assert await found("age", "greater", 8.5) == {"before", "old"}
    assert await found("age", "is", ["9.0", "70.50"]) == {"before", "old"}
    assert await found("age", "is_not", 8) == {"before", "old", "nobody"}
    assert await found("joined", "greater", "2026-01-31") == {"old"}
    assert await found("joined", "is", "2026-02-01") == {"old"}
    assert await found("vip", "is", True) == {"before", "young"}
    for key, op, value in (
        ("age", "contains", "7"),
        ("age", "is", "many"),
        ("joined", "less", 5),
        ("vip", "greater", 1),
    ):
        rule = {"custom": key, "op": op, "value": value}
        answer = await contacts.post("/segments/preview", {"definition": rule})
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, "definition"), rule


async def test_dates_without_a_definition_compare_as_dates(contacts: Contacts) -> None:
    await contacts.create("ann@example.com", custom_fields={"joined": "2026-02-01"})
    rule = {"custom": "joined", "op": "less", "value": "2026-02-02"}
    assert (await contacts.call("POST", "/segments/preview", {"definition": rule}))["count"] == 1


async def test_templates_show_values_of_their_type(kit: Kit) -> None:
    contacts = Contacts(kit.client, kit.tenant, kit.headers())
    await define(contacts, "age", "number")
    await define(contacts, "plan", "choice", choices=["Free", "Gold"], default="Free")
    [ann] = await contacts.create("ann@example.com", custom_fields={"age": "41"})
    html = "<p>{{ contact.custom.age | plus: 1 }} {{ contact.custom.plan }}</p>{{ unsubscribe_url }}"
    campaign = await kit.create(template_id=str(await kit.add_template(html=html)))
    shown = await kit.ok("GET", f"/{campaign['id']}/preview?contact_id={ann}")
    assert "<p>42 Free</p>" in shown["html"]
