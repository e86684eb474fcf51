"""What people agreed to, on every way it comes to us, and what is left of it when they are forgotten."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.database import SimpleDatabase
from tests.simulators.twilio import SID

from .campaigns_kit import Kit
from .contacts_kit import Contacts
from .sms_kit import NUMBER, open_phones
from .test_imports import Imports

Word = tuple[Any, ...]
IP = "203.0.113.77"


@pytest.fixture
def imports(client: httpx.AsyncClient, tenant_a: UUID, headers: dict[str, str]) -> Imports:
    return Imports(client, tenant_a, headers)


def contacts_of(kit: Kit) -> Contacts:
    return Contacts(kit.client, kit.tenant, kit.headers())


async def words(contacts: Contacts, contact_id: str) -> list[Word]:
    """(channel, status, source), latest first."""
    rows = await contacts.call("GET", f"/{contact_id}/consents")
    return [(row["channel"], row["status"], row["source"]) for row in rows]


async def test_a_word_is_kept_with_its_proof_and_acted_on(kit: Kit) -> None:
    contacts = contacts_of(kit)
    [ann] = await contacts.create("ann@example.com", phone="+12025550143")
    proof = {
        "text": "Yes, write to me",
        "version": "2026-02",
        "source": "https://shop.example.com/join",
        "at": "2026-02-03T10:00:00Z",
        "ip": IP,
    }
    kept = await contacts.call("POST", f"/{ann}/consents", {"channel": "sms", **proof})
    assert {name: kept[name] for name in ("status", "basis", "text", "version", "has_ip")} == {
        "status": "given",
        "basis": "consent",
        "text": "Yes, write to me",
        "version": "2026-02",
        "has_ip": True,
    }
    assert (kept["occurred_at"], kept["actor"] is not None) == ("2026-02-03T10:00:00Z", True)
    assert (await contacts.all())["ann@example.com"]["custom_fields"]["sms_marketing_consent"] == "SUBSCRIBE"
    stored = await kit.fetch("SELECT t::text AS row FROM contact_consent t WHERE tenant_id = $1", kit.tenant)
    assert IP not in str(stored)

    await contacts.call("POST", f"/{ann}/consents", {"status": "withdrawn"})
    assert (await contacts.all())["ann@example.com"]["status"] == "unsubscribed"
    assert (await words(contacts, ann))[0] == ("email", "withdrawn", "api")
    await contacts.call("POST", f"/{ann}/consents", {"status": "given"})
    assert (await contacts.all())["ann@example.com"]["status"] == "valid"
    assert len(await words(contacts, ann)) == 3
    page = await contacts.call("GET", f"/{ann}/consents?limit=1")
    assert [row["status"] for row in page] == ["given"]


async def test_agreeing_lifts_no_bounce(kit: Kit) -> None:
    contacts = contacts_of(kit)
    [ann] = await contacts.create("ann@example.com")
    body = {"address": "ann@example.com", "reason": "hard_bounce"}
    await kit.request("POST", f"/api/v2/suppressions/{kit.tenant}", json=body)
    await contacts.call("POST", f"/{ann}/consents", {})
    assert (await contacts.all())["ann@example.com"]["status"] == "invalid"


async def test_words_that_cannot_be_are_refused(contacts: Contacts) -> None:
    [ann] = await contacts.create("ann@example.com")
    for body, status in (
        ({"at": "2999-01-01T00:00:00Z"}, 400),
        ({"channel": "sms"}, 400),
        ({"ip": "nowhere"}, 422),
        ({"status": "maybe"}, 422),
    ):
        assert (await contacts.post(f"/{ann}/consents", body)).status_code == status, body
    assert await words(contacts, ann) == []


async def test_nobody_can_change_what_is_on_record(contacts: Contacts, db: SimpleDatabase) -> None:
    [ann] = await contacts.create("ann@example.com")
    await contacts.call("POST", f"/{ann}/consents", {})
    for sql in (
        "UPDATE contact_consent SET status = 'withdrawn' WHERE tenant_id = $1",
        "UPDATE contact_consent SET contact_id = NULL, status = 'withdrawn' WHERE tenant_id = $1",
        "DELETE FROM contact_consent WHERE tenant_id = $1",
    ):
        with pytest.raises(Exception, match="only added to"):
            async with db.tenant_tx(contacts.tenant) as tx:
                await tx.execute(sql, contacts.tenant)


async def test_unsubscribing_is_a_word_too(kit: Kit) -> None:
    campaign = await kit.accepted(1)
    [row] = await kit.recipients(campaign)
    answer = await kit.client.post(f"/t/u/{kit.token(campaign, row['contact_id'])}", data={"confirm": "1"})
    assert answer.is_success, answer.text
    [word] = await words(contacts_of(kit), str(row["contact_id"]))
    assert word[:2] == ("email", "withdrawn")


async def test_what_texters_answer_is_a_word(kit: Kit) -> None:
    async with open_phones(kit) as phones:
        person, number = await phones.person()
        for n, body in enumerate(("STOP", "STOP", "START")):
            form = {
                "AccountSid": SID,
                "From": number,
                "To": NUMBER,
                "Body": body,
                "MessageSid": f"SM{n:032d}",
            }
            await phones.webhook(form)
        assert await words(contacts_of(kit), str(person)) == [
            ("sms", "given", "sms_start"),
            ("sms", "withdrawn", "sms_stop"),
            ("sms", "given", "api"),
        ]


FILE = """email,phone,sms_marketing_consent,sms_marketing_timestamp,consent_source
ann@example.com,+12025550143,SUBSCRIBE,2026-01-02T03:04:05Z,netlife:school
,+12025550144,subscribed,someday,
bob@example.com,,no,,
"""


async def test_times_of_antiquity_are_not_believed(contacts: Contacts) -> None:
    fields = {"sms_marketing_consent": "yes", "sms_marketing_timestamp": "0044-03-15 BC"}
    [ann] = await contacts.create("ann@example.com", phone="+12025550143", custom_fields=fields)
    assert await words(contacts, ann) == [("sms", "given", "api")]


async def test_files_say_what_people_agreed_to(imports: Imports, contacts: Contacts) -> None:
    claim = {"channels": ["email"], "text": "Fair of spring", "at": "2026-01-01T00:00:00Z"}
    await imports.run(FILE, consent=claim)
    rows = {row["email"] or row["phone_e164"]: row["id"] for row in await contacts.call("GET", "?limit=200")}
    assert await words(contacts, rows["ann@example.com"]) == [
        ("sms", "given", "netlife:school"),
        ("email", "given", "import of contacts.csv"),
    ]
    assert await words(contacts, rows["+12025550144"]) == [("sms", "given", "import of contacts.csv")]
    assert await words(contacts, rows["bob@example.com"]) == [("email", "given", "import of contacts.csv")]
    [told, _] = await contacts.call("GET", f"/{rows['ann@example.com']}/consents")
    assert told["occurred_at"] == "2026-01-02T03:04:05Z"

    await imports.run(FILE, consent=claim)
    assert len(await words(contacts, rows["ann@example.com"])) == 2, "said again is said once"
    await imports.run(FILE.replace("SUBSCRIBE", "UNSUBSCRIBE"))
    assert (await words(contacts, rows["ann@example.com"]))[0][1] == "withdrawn"
    answer = await imports.upload(FILE, consent={"channels": []})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "consent")


async def test_only_a_digest_is_left_of_who_is_forgotten(kit: Kit) -> None:
    contacts = contacts_of(kit)
    [ann] = await contacts.create("ann@example.com")
    await contacts.call("POST", f"/{ann}/consents", {"text": "Yes, I am Ann", "ip": IP, "version": "7"})
    told = await contacts.call("GET", f"/{ann}/personal-data")
    assert [row["shown_text"] for row in told["consents"]] == ["Yes, I am Ann"]
    await contacts.call("POST", f"/{ann}/erase")
    [left] = await kit.fetch(
        """SELECT *, digest = erasure_digest(tenant_id, 'Ann@Example.com') AS is_hers
           FROM contact_consent WHERE tenant_id = $1""",
        kit.tenant,
    )
    assert (left["status"], left["text_version"], left["is_hers"]) == ("given", "7", True)
    for name in ("contact_id", "source", "shown_text", "ip_digest", "actor"):
        assert left[name] is None, name
