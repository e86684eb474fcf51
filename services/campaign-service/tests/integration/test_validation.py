"""Bulk validation through HTTP, with a name server of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from campaign_service.app import create_app
from campaign_service.settings import Settings
from campaign_service.validation import repository
from shared.database import SimpleDatabase
from shared.testing import TokenMint
from shared.testing.clients import service_client
from shared.utils import utc_now
from tests.simulators.dns import NameServer, name_server

from .contacts_kit import Contacts

MX = {"MX": ("10 mx.example.com.",)}
ZONE = {
    "example.com": MX,
    "only-address.test": {"A": ("192.0.2.1",)},
    "no-mail.test": {"MX": ("0 .",)},
    "empty.test": {"TXT": ('"nothing here"',)},
    "mailinator.com": MX,
    "gmial.com": MX,
}


@pytest.fixture
async def dns_server() -> AsyncIterator[NameServer]:
    async with name_server(ZONE) as server:
        yield server


@pytest.fixture
async def contacts(
    dns_server: NameServer, db: SimpleDatabase, mint: TokenMint, tenant_a: UUID, tmp_path: Path
) -> AsyncIterator[Contacts]:
    settings = Settings(
        python_env="test",
        data_dir=tmp_path / "data",
        events_url="postgres://",
        validation_dns=dns_server.address,
    )
    async with service_client(create_app(settings), db, mint) as client:
        yield Contacts(client, tenant_a, mint.headers(tenant_a))


ADDRESSES = [
    "ann@example.com",
    "bob@example.com",
    "info@example.com",
    "ann@only-address.test",
    "ann@no-mail.test",
    "ann@empty.test",
    "ann@gone.test",
    "ann@gmial.com",
    "info@mailinator.com",
]


async def test_addresses_are_scored_and_each_domain_is_asked_once(
    contacts: Contacts, dns_server: NameServer
) -> None:
    await contacts.create(*ADDRESSES)
    result = await contacts.job("/validate")
    assert {k: result[k] for k in ("checked", "valid", "risky", "invalid", "unknown")} == {
        "checked": 9,
        "valid": 4,
        "risky": 1,
        "invalid": 4,
        "unknown": 0,
    }
    assert result["reasons"] == {
        "disposable_domain": 1,
        "no_mail_server": 2,
        "null_mx": 1,
        "role_account": 2,
        "typo_domain": 1,
    }
    assert (result["dns"], result["domains_asked"], result["domains_from_cache"]) == ("answered", 7, 0)
    assert dns_server.asked["example.com MX"] == 1
    found = await contacts.all()
    info = found["info@example.com"]
    assert (info["validation_status"], info["validation_errors"]) == ("valid", ["role_account"])
    assert info["validation_score"] == 0.8
    gone = found["ann@gone.test"]
    assert (gone["status"], gone["validation_status"], gone["validation_score"]) == ("invalid", "invalid", 0)


async def test_what_is_known_of_a_domain_is_used_until_it_expires(
    contacts: Contacts, dns_server: NameServer, db: SimpleDatabase, tenant_a: UUID
) -> None:
    await contacts.create("ann@example.com", "ann@gone.test")
    await contacts.job("/validate")
    again = await contacts.job("/validate")
    assert (again["domains_asked"], again["domains_from_cache"]) == (0, 2)
    async with db.tenant_tx(tenant_a) as tx:
        in_two_days = utc_now() + timedelta(days=2)
        known = await repository.known_domains(tx, tenant_a, ["example.com", "gone.test"], in_two_days)
    assert known == {"example.com": "accepts"}


async def test_without_dns_nothing_becomes_invalid_and_the_report_says_so(
    contacts: Contacts, dns_server: NameServer
) -> None:
    dns_server.is_silent = True
    await contacts.create("ann@example.com", "ann@gmial.com", "ann@gone.test")
    result = await contacts.job("/validate")
    assert (result["dns"], result["unknown"], result["risky"], result["invalid"]) == ("unavailable", 2, 1, 0)
    found = await contacts.all()
    assert found["ann@gone.test"]["status"] == "valid"
    dns_server.is_silent = False
    assert (await contacts.job("/validate"))["invalid"] == 1
    assert (await contacts.all())["ann@gone.test"]["status"] == "invalid"


async def test_only_the_asked_for_are_validated_and_the_fresh_left_out(contacts: Contacts) -> None:
    ids = await contacts.create("ann@example.com", "bob@example.com")
    assert (await contacts.job("/validate", contact_ids=[ids[0]]))["checked"] == 1
    assert (await contacts.job("/validate", max_age_days=30))["checked"] == 1
    assert (await contacts.job("/validate", tag="nobody"))["checked"] == 0


async def test_a_new_address_is_not_validated_yet(contacts: Contacts) -> None:
    [contact_id] = await contacts.create("ann@gmial.com")
    await contacts.job("/validate")
    changed = await contacts.call("PUT", f"/{contact_id}", {"email": "ann@example.com"})
    names = ("validation_status", "validation_score", "validation_errors", "validated_at")
    assert [changed[name] for name in names] == ["unknown", None, [], None]


async def test_an_address_that_was_repaired_comes_back(
    contacts: Contacts, dns_server: NameServer, db: SimpleDatabase, tenant_a: UUID
) -> None:
    await contacts.create("ann@late.test")
    await contacts.job("/validate")
    assert (await contacts.all())["ann@late.test"]["status"] == "invalid"
    dns_server.zone = {**ZONE, "late.test": MX}
    async with db.tenant_tx(tenant_a) as tx:
        await tx.execute("DELETE FROM mail_domain WHERE tenant_id = $1", tenant_a)
    await contacts.job("/validate")
    assert (await contacts.all())["ann@late.test"]["status"] == "valid"


async def test_a_second_validation_waits_for_the_first(contacts: Contacts) -> None:
    answers = await asyncio.gather(*(contacts.post("/validate", {}) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [202, 409]
