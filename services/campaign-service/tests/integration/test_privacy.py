"""What is kept about a person, and what is left once they are forgotten."""

from __future__ import annotations

from .campaigns_kit import Kit
from .contacts_kit import Contacts

TABLES = (
    "contact contact_tag contact_merge campaign_recipient message_event message suppression "
    "suppression_history delivery_issue contact_import_rejection conversation sms_message call lead "
    "contact_consent contact_operation"
)


async def everywhere(kit: Kit, text: str) -> list[str]:
    """Tables with a row of the tenant that has a text anywhere."""
    return [
        table
        for table in TABLES.split()
        if await kit.fetch(
            f"SELECT 1 FROM {table} t WHERE tenant_id = $1 AND strpos(lower(t::text), lower($2)) > 0",
            kit.tenant,
            text,
        )
    ]


async def test_a_person_is_told_everything_and_then_forgotten(kit: Kit) -> None:
    contacts = Contacts(kit.client, kit.tenant, kit.headers())
    campaign = await kit.accepted(2)
    first, second = await kit.recipients(campaign)
    person, email = str(first["contact_id"]), first["email"].lower()
    await kit.webhook("powermta", f"type,rcpt,dsnStatus,vctx\nb,{email},5.1.1,{kit.tenant}\n")
    await contacts.client.post(
        f"/api/v2/suppressions/{kit.tenant}", json={"address": email}, headers=contacts.headers
    )
    told = await contacts.call("GET", f"/{person}/personal-data")
    assert [row["email"].lower() for row in told["contact"]] == [email]
    assert len(told["recipients"]) == len(told["suppressions"]) == 1
    assert second["email"].lower() not in str(told).lower()
    assert {"contact", "campaign_recipient", "suppression"} <= set(await everywhere(kit, email))
    await contacts.call("POST", "/operations", {"action": "export", "filter": {"q": email}})
    figures = await kit.counts(campaign)

    await contacts.call("POST", f"/{person}/erase")
    assert await everywhere(kit, email) == []
    assert await everywhere(kit, person) == []
    assert await kit.counts(campaign) == figures
    assert len(await kit.recipients(campaign)) == 2
    gone = await kit.request("GET", f"/api/v2/contacts/{kit.tenant}/{person}/personal-data")
    assert gone.status_code == 404


async def test_who_was_forgotten_is_not_brought_back(contacts: Contacts) -> None:
    [person] = await contacts.create("ann@example.com")
    await contacts.call("POST", f"/{person}/erase")
    answer = await contacts.client.post(
        "/api/v2/contacts", json={"email": "Ann@Example.com"}, headers=contacts.headers
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONTACT_ERASED")
    upload = await contacts.client.post(
        f"{contacts.base}/import",
        files={"file": ("c.csv", b"email\nann@example.com\nbob@example.com\n", "text/csv")},
        headers=contacts.headers,
    )
    result = await contacts.result(upload.json()["data"]["job_id"])
    assert result["created"] == 1
    assert set(await contacts.all()) == {"bob@example.com"}


async def test_who_was_merged_is_forgotten_under_every_address(contacts: Contacts) -> None:
    person, _ = await contacts.create("ann@gmail.com", "a.nn@gmail.com")
    await contacts.job("/deduplicate", dry_run=False)
    assert [
        row["email_lower"] for row in (await contacts.call("GET", f"/{person}/personal-data"))["merged"]
    ] == ["a.nn@gmail.com"]
    await contacts.call("POST", f"/{person}/erase")
    items = [{"email": "a.nn@gmail.com"}, {"email": "ann@gmail.com"}]
    again = await contacts.call("POST", "/bulk", {"action": "create", "items": items})
    assert again["succeeded"] == 0
