"""Publishing: in the caller's transaction, for its own tenant, and never lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.database import SimpleDatabase
from shared.events import Consumer, Event, EventBus, EventRefusedError, MessageContext, new_event, repository

from .events_lab import write_pack

OpenDatabase = Callable[..., Awaitable[SimpleDatabase]]
NAME = "campaign.campaign.started.v1"


def started(tenant: UUID | None) -> Event:
    data = {"campaign_id": str(uuid4()), "name": "Spring", "total_recipients": 3}
    return new_event(NAME, {**data, "started_at": "2026-01-01T10:00:00Z"}, tenant_id=tenant)


@pytest.fixture
async def db(open_database: OpenDatabase) -> SimpleDatabase:
    return await open_database("campaign")


@pytest.fixture
def bus(db: SimpleDatabase) -> EventBus:
    return EventBus(db, service="campaign-service")


async def waiting(db: SimpleDatabase) -> list[dict[str, Any]]:
    async with db.system_tx() as tx:
        return [
            dict(row) for row in await tx.fetch("SELECT id, tenant_id, source, data FROM outbox ORDER BY id")
        ]


async def test_event_is_stored_with_the_transaction_and_gone_with_it(
    db: SimpleDatabase, bus: EventBus, tenant_a: UUID
) -> None:
    kept, lost = started(tenant_a), started(tenant_a)
    async with db.tenant_tx(tenant_a) as tx:
        await bus.publish(tx, kept)
    with pytest.raises(LookupError):
        async with db.tenant_tx(tenant_a) as tx:
            await bus.publish(tx, lost)
            raise LookupError
    (row,) = await waiting(db)
    assert (row["id"], row["tenant_id"], row["source"]) == (kept.id, tenant_a, "/campaign-service")
    assert row["data"] == kept.data


async def test_event_of_another_tenant_is_refused_before_and_in_the_database(
    db: SimpleDatabase, bus: EventBus, tenant_a: UUID, tenant_b: UUID
) -> None:
    async with db.tenant_tx(tenant_a) as tx:
        with pytest.raises(EventRefusedError, match="another tenant"):
            await bus.publish(tx, started(tenant_b))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with db.tenant_tx(tenant_a) as tx:
            await tx.execute(
                "INSERT INTO outbox (id, tenant_id, type, source, data) VALUES ($1, $2, $3, '/x', '{}')",
                uuid4(),
                tenant_b,
                NAME,
            )
    assert await waiting(db) == []


async def test_event_of_the_installation_may_leave_from_a_tenant_transaction(
    db: SimpleDatabase, bus: EventBus, tenant_a: UUID
) -> None:
    async with db.tenant_tx(tenant_a) as tx:
        await bus.publish_many(tx, [started(None), started(tenant_a)])
        seen = await tx.fetchval("SELECT count(*) FROM outbox")
    assert seen == 1
    assert [row["tenant_id"] for row in await waiting(db)] == [None, tenant_a]


async def test_runtime_role_cannot_reach_the_bus_of_other_services(
    db: SimpleDatabase, tenant_a: UUID
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with db.tenant_tx(tenant_a) as tx:
            await tx.fetch("SELECT * FROM bus.event")


async def test_event_published_by_a_statement_of_the_service_is_relayed(
    db: SimpleDatabase, tenant_a: UUID
) -> None:
    """Hot paths may write the outbox in SQL; defaults fill what they leave out."""
    seen: list[Event] = []

    async def handler(ctx: MessageContext) -> None:
        seen.append(ctx.event)

    bus = EventBus(db, service="campaign-service", poll=0.05)
    bus.bind(None, [Consumer("sql", [NAME], handler)])
    await bus.start()
    event_id = uuid4()
    async with db.tenant_tx(tenant_a) as tx:
        await tx.execute(
            "INSERT INTO outbox (id, tenant_id, type, source, data)"
            " VALUES ($1, $2, $3, '/campaign-service', json_build_object('name', 'Spring'))",
            event_id,
            tenant_a,
            NAME,
        )
    async with asyncio.timeout(20):
        while True:
            if seen:
                break
            await asyncio.sleep(0.02)
    await bus.stop()
    assert (seen[0].id, seen[0].data) == (event_id, {"name": "Spring"})


async def test_batch_is_no_larger_than_asked_when_statistics_say_the_outbox_is_empty(
    db: SimpleDatabase, bus: EventBus, database_dsn: str, tenant_a: UUID
) -> None:
    admin = await asyncpg.connect(database_dsn)
    async with db.system_tx() as tx:
        await bus.publish_many(tx, [started(tenant_a) for _ in range(600)])
        await tx.execute("DELETE FROM outbox")
    await admin.execute("ANALYZE campaign.outbox")
    await admin.close()
    async with db.system_tx() as tx:
        await bus.publish_many(tx, [started(tenant_a) for _ in range(600)])
    async with db.system_tx() as tx:
        assert len(await repository.claim_outbox(tx, 200)) == 200
    assert len(await waiting(db)) == 400


async def test_batch_ends_with_the_pack_that_fills_it(db: SimpleDatabase, tenant_a: UUID) -> None:
    packs = [[started(tenant_a) for _ in range(40)] for _ in range(4)]
    async with db.system_tx() as tx:
        sent = [await write_pack(tx, events) for events in packs]
        assert (await repository.outbox_backlog(tx))[0] == 160
        claimed = await repository.claim_outbox(tx, 100)
    assert {event.id for event in claimed} == {event.id for events in sent[:3] for event in events}


async def test_old_inbox_rows_and_finished_events_are_removed(db: SimpleDatabase) -> None:
    bus = EventBus(db, service="campaign-service")
    async with db.system_tx() as tx:
        await tx.execute(
            "INSERT INTO inbox (consumer, event_id, processed_at) VALUES"
            " ('c', gen_random_uuid(), now() - interval '31 days'), ('c', gen_random_uuid(), now())"
        )
        for age, delivered in (("2 hours", True), ("2 hours", False), ("1 minute", True)):
            event_id = uuid4()
            await tx.execute(
                "INSERT INTO bus.event (id, type, source, occurred_at, data, stored_at)"
                " VALUES ($1, $2, '/x', now(), '{}', now() - $3::text::interval)",
                event_id,
                NAME,
                age,
            )
            if not delivered:
                await tx.execute(
                    "INSERT INTO bus.delivery (subscriber, event_id) VALUES ('other.c', $1)", event_id
                )
    assert await bus.forget_inbox() == 1
    assert await bus.transport.clean_up(3600) == 1  # type: ignore[attr-defined]  # of the Postgres transport
    async with db.system_tx() as tx:
        assert await tx.fetchval("SELECT count(*) FROM bus.event") == 2
