"""A person is forgotten while something else brings them in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from campaign_service.contacts import service as contact_service
from campaign_service.contacts.privacy import repository as privacy
from campaign_service.contacts.schemas import ContactIn
from campaign_service.imports import merging
from campaign_service.imports import repository as imports
from shared.database import SimpleDatabase, Tx
from shared.utils import uuid7

from .campaigns_kit import Kit
from .contacts_kit import Contacts

OTHER = "a.nn@gmail.com"


@pytest.fixture
async def ann(contacts: Contacts) -> str:
    """A contact with an address that was another contact's once."""
    person, _ = await contacts.create("ann@gmail.com", OTHER)
    await contacts.job("/deduplicate", dry_run=False)
    return person


@asynccontextmanager
async def importing(db: SimpleDatabase, tenant: UUID, *emails: str) -> AsyncIterator[tuple[Tx, UUID]]:
    """An import that has merged its only chunk and not ended."""
    import_id = uuid7()
    values = {"id": import_id, "filename": "people.csv", "path": "people.csv", "size": 1}
    async with db.tenant_tx(tenant) as tx:
        await imports.insert(tx, tenant, values)
        await imports.open_staging(tx)
        await tx.execute(
            """INSERT INTO import_row (line_number, id, email, custom_fields)
               SELECT n, gen_random_uuid(), email, '{}'
               FROM unnest($1::text[]) WITH ORDINALITY AS g(email, n)""",
            list(emails),
        )
        await imports.merge(tx, tenant, import_id, default_language="en", on_conflict="update")
        yield tx, import_id


async def test_an_import_that_ends_after_an_erasure_does_not_bring_the_person_back(
    contacts: Contacts, db: SimpleDatabase, ann: str
) -> None:
    async with importing(db, contacts.tenant, OTHER, "bob@example.com") as (tx, import_id):
        rejected = [(7, "invalid_email", "no", f"Ann;<{OTHER}>;x"), (8, "invalid_email", "no", "bob;?")]
        await imports.reject(tx, contacts.tenant, import_id, rejected)
        assert (await contacts.call("POST", f"/{ann}/erase"))["is_done"]
        assert await merging.forget_erased(tx, import_id) == 1
    assert set(await contacts.all()) == {"bob@example.com"}
    async with db.tenant_tx(contacts.tenant) as tx:
        kept = await imports.rejections(tx, contacts.tenant, import_id, None, 10)
    assert [row["line_number"] for row in kept] == [8]


async def created(tx: Tx) -> None:
    await contact_service.create(tx, tx.tenant, ContactIn(email=OTHER))


async def imported(tx: Tx) -> None:
    await tx.execute(
        "INSERT INTO contact (tenant_id, id, email) VALUES ($1, gen_random_uuid(), $2)", tx.tenant, OTHER
    )
    assert await merging.forget_erased(tx, uuid7()) == 0


@pytest.mark.parametrize("bring", [created, imported])
async def test_an_erasure_waits_for_who_is_being_brought_in(
    contacts: Contacts, db: SimpleDatabase, ann: str, bring: Callable[[Tx], Awaitable[None]]
) -> None:
    async with db.tenant_tx(contacts.tenant) as tx:
        await bring(tx)
        erasing = asyncio.create_task(contacts.call("POST", f"/{ann}/erase"))
        sql = """SELECT EXISTS (SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                  WHERE d.datname = current_database() AND locktype = 'advisory' AND NOT granted)"""
        while not await tx.fetchval(sql):
            assert not erasing.done()
            await asyncio.sleep(0.01)
    assert (await erasing)["is_done"]
    assert await contacts.all() == {}


async def test_who_an_import_holds_is_erased_by_a_job(
    contacts: Contacts, db: SimpleDatabase, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privacy, "PATIENCE", "10ms")
    async with importing(db, contacts.tenant, "ann@gmail.com"):
        erased: dict[str, Any] = await contacts.call("POST", f"/{ann}/erase")
        monkeypatch.undo()
    assert erased == {"id": ann, "is_done": False}
    answer = await contacts.client.get(
        f"/api/v2/jobs/{contacts.tenant}", params={"type": "contacts.erasure"}, headers=contacts.headers
    )
    await contacts.result(answer.json()["data"][0]["id"])
    assert await contacts.all() == {}


async def test_who_is_being_erased_is_in_no_new_audience(kit: Kit) -> None:
    """Their contact is still there: it is taken out after its addresses were barred."""
    first, _ = await kit.add_contacts(2)
    async with kit.db.tenant_tx(kit.tenant) as tx:
        person = await privacy.find(tx, kit.tenant, first)
        assert person is not None
        await privacy.bar(tx, kit.tenant, person)
    campaign = await kit.create()
    await kit.ok("POST", f"/{campaign['id']}/send")
    found = await kit.recipients(campaign["id"])
    assert {(row["email"], row["state"]) for row in found} == {
        ("erased@erased.invalid", "cancelled"),
        ("c2@Example.com", "queued"),
    }


async def test_a_contact_does_not_take_the_address_of_who_was_forgotten(contacts: Contacts, ann: str) -> None:
    [bob] = await contacts.create("bob@example.com")
    await contacts.call("POST", f"/{ann}/erase")
    answer = await contacts.client.put(
        f"{contacts.base}/{bob}", json={"email": OTHER}, headers=contacts.headers
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONTACT_ERASED")
