"""Mailboxes that companies have at the large providers count as theirs, by the DNS and in the background."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from campaign_service.app import create_app
from campaign_service.limits.admission import open_limiter
from campaign_service.settings import Settings
from campaign_service.warmup.admission import open_gate
from campaign_service.warmup.hosting import repository
from shared.database import SimpleDatabase
from shared.testing import TokenMint
from shared.testing.clients import service_client
from shared.utils import utc_now, uuid7
from shared.web import Runtime
from tests.simulators.dns import Zone, name_server

ZONE: Zone = {
    "studio.test": {"MX": ("20 backup.example.net.", "1 aspmx.l.google.com.")},
    "office.test": {"MX": ("0 office-test.mail.protection.outlook.com.",)},
    "house.test": {"MX": ("10 mx.house.test.",)},
}
RATE = {"per_minute": 1, "burst": 1}


@dataclass
class Person:
    email: str
    contact_id: UUID


@pytest.fixture
async def runtime(
    db: SimpleDatabase, mint: TokenMint, tenant_a: UUID, tmp_path: Path
) -> AsyncIterator[Runtime]:
    """Of a tenant with a rate and a plan for mailboxes at one provider each."""
    async with name_server(ZONE) as server:
        settings = Settings(
            python_env="test",
            data_dir=tmp_path / "data",
            events_url="postgres://",
            validation_dns=server.address,
        )
        app = create_app(settings)
        async with service_client(app, db, mint) as client:
            for path, body in (
                ("limits", {"mailbox_providers": {"gmail": RATE}}),
                ("warmup", {"plans": [{"mailbox_provider": "outlook", "caps": [1]}]}),
            ):
                answer = await client.put(
                    f"/api/v2/sending/{tenant_a}/{path}", json=body, headers=mint.headers(tenant_a)
                )
                assert answer.status_code == 200, answer.text
            yield app.state.runtime


async def _people(db: SimpleDatabase, tenant: UUID, *emails: str) -> list[Person]:
    people = [Person(email, uuid7()) for email in emails]
    async with db.tenant_tx(tenant) as tx:
        for person in people:
            await tx.execute(
                "INSERT INTO contact (tenant_id, id, email) VALUES ($1, $2, $3)",
                tenant,
                person.contact_id,
                person.email,
            )
    return people


async def _asked(db: SimpleDatabase, runtime: Runtime, tenant: UUID) -> dict[str, Any]:
    """What the job found, once it has looked."""
    async with db.system_tx() as tx:
        await runtime.jobs.enqueue(tx, "mailbox-hosts.ask", tenant_id=None)
    while True:
        async with db.tenant_tx(tenant) as tx:
            domains = [*ZONE, "gone.test"]
            found = await repository.known(tx, tenant, domains)
        if len(found) == len(domains):
            return dict(found)
        await asyncio.sleep(0.05)


async def test_hosted_mailboxes_count_as_the_providers(
    db: SimpleDatabase, runtime: Runtime, tenant_a: UUID
) -> None:
    people = await _people(
        db, tenant_a, *(f"{name}@{domain}" for domain in (*ZONE, "gone.test") for name in ("ann", "bob"))
    )
    nobody = uuid7()
    async with db.tenant_tx(tenant_a) as tx:
        limiter = await open_limiter(tx, nobody, "", "news@example.com", utc_now())
        assert len(await limiter.admit(tx, uuid7(), people)) == 8
    found = await _asked(db, runtime, tenant_a)
    expected = {"studio.test": "gmail", "office.test": "outlook", "house.test": "other", "gone.test": "other"}
    assert found == expected
    async with db.tenant_tx(tenant_a) as tx:
        assert await repository.to_ask(tx, tenant_a, (), utc_now(), 10) == []
        limiter = await open_limiter(tx, nobody, "", "news@example.com", utc_now())
        admitted = await limiter.admit(tx, uuid7(), people)
        assert [person.email for person in people if person.contact_id not in admitted] == ["bob@studio.test"]
        gate = await open_gate(tx, nobody, "", "news@example.com", utc_now())
        admitted = await gate.admit(tx, uuid7(), people)
        assert [person.email for person in people if person.contact_id not in admitted] == ["bob@office.test"]
