"""What both transports promise, tried on real servers with the same cases."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.errors import NotFoundError
from shared.events import Consumer, MessageContext, PermanentError, new_event
from shared.events.relay import MAX_REFUSALS

from .events_lab import (
    DELAYS,
    OTHER,
    TYPE,
    CrashingTransport,
    Lab,
    Seen,
    eventually,
    has_more_than,
    outbox_is_empty,
    started,
)


@pytest.fixture(params=["postgres", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def lab(
    request: pytest.FixtureRequest, database_dsn: str, open_database: Callable[..., Any]
) -> AsyncIterator[Lab]:
    amqp = request.getfixturevalue("amqp_url") if request.param == "rabbitmq" else None
    lab = Lab(request.param, database_dsn, open_database, amqp)
    async with lab.stack:
        await lab.open()
        yield lab


async def test_event_reaches_every_consumer_of_its_type_as_it_was_published(lab: Lab, tenant_a: UUID) -> None:
    one, two, unrelated = Seen(), Seen(), Seen()
    bus = await lab.bus(
        Consumer("one", [TYPE], one),
        Consumer("two", ["campaign.*.started.v1"], two),
        Consumer("unrelated", [OTHER], unrelated),
    )
    event = started(tenant_a, "Grüße \u0000 \N{PARTY POPPER}")
    await lab.publish(bus, event)
    await eventually(lambda: one.events and two.events)
    for got in (one.events[0], two.events[0]):
        assert (got.id, got.type, got.data, got.tenant_id) == (event.id, TYPE, event.data, tenant_a)
        assert (got.source, got.subject, got.time) == ("/campaign-service", event.subject, event.time)
    assert unrelated.events == []


async def test_repeated_event_is_handled_once(lab: Lab, tenant_a: UUID) -> None:
    seen = Seen()
    bus = await lab.bus(Consumer("once", [TYPE], seen))
    event, last = started(tenant_a), started(tenant_a)
    await lab.publish(bus, event)
    await eventually(lambda: seen.events)
    await lab.publish(bus, event)
    await eventually(lambda: outbox_is_empty(bus))
    await lab.publish(bus, last)
    await eventually(lambda: last.id in seen.ids)
    assert seen.ids == Counter([event.id, last.id])


async def test_failed_handler_is_tried_again_and_its_writes_are_undone(lab: Lab, tenant_a: UUID) -> None:
    attempts: list[int] = []

    async def flaky(ctx: MessageContext) -> None:
        attempts.append(ctx.attempt)
        await ctx.tx.execute(
            "INSERT INTO cache_entry (key, value, expires_at) VALUES ($1, '1', now())", f"try {len(attempts)}"
        )
        if len(attempts) < 3:
            raise OSError("not yet")

    bus = await lab.bus(Consumer("flaky", [TYPE], flaky))
    await lab.publish(bus, started(tenant_a))
    await eventually(lambda: lab.db.query("SELECT 1 FROM cache_entry"))
    assert attempts == [0, 1, 2]
    assert [row["key"] for row in await lab.db.query("SELECT key FROM cache_entry")] == ["try 3"]


async def test_event_that_always_fails_becomes_a_dead_letter_and_can_be_replayed(
    lab: Lab, tenant_a: UUID
) -> None:
    seen, broken = Seen(), [True]

    async def handler(ctx: MessageContext) -> None:
        await seen(ctx)
        if broken:
            raise OSError("the printer is on fire")

    bus = await lab.bus(Consumer("printer", [TYPE], handler), Consumer("calm", [OTHER], Seen()))
    event = started(tenant_a)
    await lab.publish(bus, event)
    await eventually(bus.dead_letters.list)
    assert len(seen.events) == 1 + len(DELAYS)
    (letter,) = await bus.dead_letters.list(consumer="printer")
    assert (letter.event.id, letter.event.data, letter.attempts) == (event.id, event.data, 3)
    assert "the printer is on fire" in letter.error
    assert await bus.dead_letters.list(consumer="calm") == []

    broken.clear()
    assert await bus.dead_letters.replay(event.id) == 1
    await eventually(lambda: len(seen.events) == 4)
    assert await bus.dead_letters.list() == []
    with pytest.raises(NotFoundError):
        await bus.dead_letters.replay(event.id)


async def test_permanent_error_becomes_a_dead_letter_at_once(lab: Lab, tenant_a: UUID) -> None:
    seen = Seen()

    async def handler(ctx: MessageContext) -> None:
        await seen(ctx)
        raise PermanentError("no such campaign")

    bus = await lab.bus(Consumer("strict", [TYPE], handler))
    await lab.publish(bus, started(tenant_a))
    await eventually(bus.dead_letters.list)
    assert len(seen.events) == 1
    assert "no such campaign" in (await bus.dead_letters.list())[0].error


async def test_crash_between_publishing_and_commit_sends_the_same_event_again(
    lab: Lab, tenant_a: UUID
) -> None:
    seen = Seen()
    crashing = CrashingTransport(lab.transport())
    bus = await lab.bus(Consumer("careful", [TYPE], seen), transport=crashing)
    events = [started(tenant_a) for _ in range(20)]
    await lab.publish(bus, *events)
    await eventually(lambda: len(seen.ids) == 20)
    await eventually(lambda: outbox_is_empty(bus))
    assert crashing.crashes == 1
    assert seen.ids == Counter(event.id for event in events)


async def test_processes_of_one_service_share_the_work(lab: Lab, tenant_a: UUID) -> None:
    seen = Seen()
    bus = await lab.bus(Consumer("shared", [TYPE], seen))
    await lab.bus(Consumer("shared", [TYPE], seen))
    events = [started(tenant_a) for _ in range(200)]
    await lab.publish(bus, *events)
    await eventually(lambda: len(seen.ids) == 200)
    assert seen.ids == Counter(event.id for event in events)


async def test_event_nobody_wants_is_dropped_without_harm(lab: Lab, tenant_a: UUID) -> None:
    seen = Seen()
    bus = await lab.bus(Consumer("picky", [OTHER], seen))
    await lab.publish(bus, started(tenant_a))
    await eventually(lambda: outbox_is_empty(bus))
    health = await bus.health()
    assert health["connected"] is True
    assert health["last_confirm_age"] >= 0
    assert seen.events == []


async def test_subscription_collects_while_its_process_is_away(lab: Lab, tenant_a: UUID) -> None:
    publisher = await lab.bus(service="webhook-gateway")
    before, during, after = (started(tenant_a, name) for name in ("before", "during", "after"))
    await lab.publish(publisher, before)
    await eventually(lambda: outbox_is_empty(publisher))

    seen = Seen()
    first = lab.unstarted_bus(Consumer("late", [TYPE], seen))
    await first.start()
    await eventually(lambda: first.transport.is_connected)
    await first.stop()
    await lab.publish(publisher, during)
    await eventually(lambda: outbox_is_empty(publisher))
    await lab.bus(Consumer("late", [TYPE], seen))
    await lab.publish(publisher, after)
    await eventually(lambda: len(seen.events) == 2)
    assert seen.ids == Counter([during.id, after.id])


async def test_type_taken_out_of_a_consumer_is_no_longer_delivered(lab: Lab, tenant_a: UUID) -> None:
    old = lab.unstarted_bus(Consumer("changing", [TYPE, OTHER], Seen()))
    await old.start()
    await eventually(lambda: old.transport.is_connected)
    await old.stop()
    seen = Seen()
    bus = await lab.bus(Consumer("changing", [OTHER], seen))
    facts = {"sent": 1, "failed": 0, "completed_at": "2026-01-01T10:00:00Z"}
    data = {"campaign_id": str(uuid4()), "name": "Spring", "total_recipients": 1, **facts}
    completed = new_event(OTHER, data, tenant_id=tenant_a)
    await lab.publish(bus, started(tenant_a), completed)
    await eventually(lambda: seen.events)
    assert seen.ids == Counter([completed.id])


async def is_committed(lab: Lab, number: int) -> bool:
    rows = await lab.db.query("SELECT count(*) AS n FROM inbox WHERE consumer = 'steady'")
    return bool(rows[0]["n"] == number)


async def test_cut_connections_lose_and_double_nothing(lab: Lab, tenant_a: UUID) -> None:
    seen = Seen()
    bus = await lab.bus(Consumer("steady", [TYPE], seen))
    events = [started(tenant_a) for _ in range(300)]
    for n in range(0, 300, 100):
        await lab.publish(bus, *events[n : n + 100])
        await eventually(partial(has_more_than, seen, n))
        await lab.cut_connections()
        await asyncio.sleep(0.1)
    # A handler may have run in a transaction that was cut: what counts is what was committed.
    await eventually(lambda: is_committed(lab, 300))
    assert seen.ids.keys() == {event.id for event in events}


async def test_handler_runs_in_the_tenant_of_the_event(lab: Lab, tenant_a: UUID, tenant_b: UUID) -> None:
    seen: dict[UUID, tuple[Any, Any, Any]] = {}

    async def handler(ctx: MessageContext) -> None:
        row = await ctx.tx.fetchrow(
            "SELECT current_user AS role, current_setting('app.tenant_id', true) AS t"
        )
        assert row is not None
        seen[ctx.event.id] = (ctx.tx.tenant_id, row["t"] or None, row["role"])

    bus = await lab.bus(Consumer("where", [TYPE], handler))
    a, b, nobody = started(tenant_a), started(tenant_b), started(None)
    await lab.publish(bus, a, b, nobody)
    await eventually(lambda: len(seen) == 3)
    assert seen[a.id] == (tenant_a, str(tenant_a), "tidings_campaign_rw")
    assert seen[b.id] == (tenant_b, str(tenant_b), "tidings_campaign_rw")
    assert seen[nobody.id] == (None, None, "tidings_campaign_worker")


async def test_event_with_two_tenants_is_never_handled(lab: Lab, tenant_a: UUID, tenant_b: UUID) -> None:
    seen = Seen()
    bus = await lab.bus(Consumer("guarded", ["auth.tenant.created.v1"], seen))
    forged = uuid4()
    async with lab.db.system_tx() as tx:
        await tx.execute(
            "INSERT INTO outbox (id, tenant_id, type, source, data) VALUES ($1, $2, $3, '/x', $4)",
            forged,
            tenant_a,
            "auth.tenant.created.v1",
            {"tenant_id": str(tenant_b), "name": "B", "slug": "b"},
        )
    await eventually(bus.dead_letters.list)
    assert (await bus.dead_letters.list())[0].event.id == forged
    assert seen.events == []


async def test_handler_without_transaction_is_not_repeated_once_it_returned(lab: Lab, tenant_a: UUID) -> None:
    seen = Seen()

    async def handler(ctx: MessageContext) -> None:
        with pytest.raises(RuntimeError):
            _ = ctx.tx
        await seen(ctx)

    bus = await lab.bus(Consumer("outside", [TYPE], handler, in_transaction=False))
    event, last = started(tenant_a), started(tenant_a)
    await lab.publish(bus, event)
    await eventually(lambda: lab.db.query("SELECT 1 FROM inbox"))
    await lab.publish(bus, event)
    await eventually(lambda: outbox_is_empty(bus))
    await lab.publish(bus, last)
    await eventually(lambda: last.id in seen.ids)
    assert seen.ids == Counter([event.id, last.id])


async def test_stop_waits_for_running_handlers_and_gives_back_the_rest(lab: Lab, tenant_a: UUID) -> None:
    began, go = asyncio.Event(), asyncio.Event()
    seen = Seen()

    async def slow(ctx: MessageContext) -> None:
        began.set()
        await go.wait()
        await seen(ctx)

    bus = lab.unstarted_bus(Consumer("slow", [TYPE], slow, concurrency=1))
    await bus.start()
    await eventually(lambda: bus.transport.is_connected)
    await lab.publish(bus, *(started(tenant_a) for _ in range(3)))
    await began.wait()
    stopping = asyncio.create_task(bus.stop())
    await asyncio.sleep(0.2)
    assert not stopping.done()
    go.set()
    await stopping
    assert len(seen.events) == 1
    await lab.bus(Consumer("slow", [TYPE], slow, concurrency=1))
    await eventually(lambda: len(seen.ids) == 3)


async def test_one_bad_event_does_not_hold_up_those_beside_it(
    lab: Lab, tenant_a: UUID, tenant_b: UUID
) -> None:
    tenants: dict[UUID, Any] = {}
    bad = started(tenant_a, "bad")

    async def handler(ctx: MessageContext) -> None:
        if ctx.event.id == bad.id:
            raise PermanentError("bad")
        await ctx.tx.execute(
            "INSERT INTO cache_entry (key, value, expires_at) VALUES ($1, '1', now())", str(ctx.event.id)
        )
        tenants[ctx.event.id] = await ctx.tx.fetchval("SELECT current_setting('app.tenant_id', true)")

    events = [started((tenant_a, tenant_b, None)[n % 3]) for n in range(90)]
    waiting = lab.unstarted_bus(Consumer("batched", [TYPE], handler, batch=30))
    await waiting.start()
    await eventually(lambda: waiting.transport.can_send)
    await waiting.stop()
    publisher = await lab.bus(service="webhook-gateway")
    await lab.publish(publisher, *events[:45], bad, *events[45:])
    await eventually(lambda: outbox_is_empty(publisher))
    bus = await lab.bus(Consumer("batched", [TYPE], handler, batch=30, concurrency=2))
    await eventually(lambda: len(tenants) == 90)
    await eventually(bus.dead_letters.list)
    assert [letter.event.id for letter in await bus.dead_letters.list()] == [bad.id]
    assert {one.id: str(one.tenant_id or "") for one in events} == {k: v or "" for k, v in tenants.items()}
    stored = {row["key"] for row in await lab.db.query("SELECT key FROM cache_entry")}
    assert stored == {str(event.id) for event in events}


async def test_a_thousand_events_all_arrive_once(lab: Lab, tenant_a: UUID) -> None:
    seen = Seen()
    bus = await lab.bus(Consumer("many", [TYPE], seen))
    events = [started(tenant_a) for _ in range(1000)]
    for n in range(0, 1000, 50):
        await lab.publish(bus, *events[n : n + 50])
    await eventually(lambda: len(seen.ids) == 1000)
    assert seen.ids == Counter(event.id for event in events)


async def test_events_of_a_pack_travel_each_by_itself(lab: Lab, tenant_a: UUID) -> None:
    seen = Seen()
    await lab.bus(Consumer("all", [TYPE], seen))
    packs = [[replace(started(tenant_a), subject=f"{n}") for n in range(100)] for _ in range(3)]
    sent = [event for events in packs for event in await lab.publish_as_pack(*events)]
    await eventually(lambda: len(seen.ids) == 300)
    assert seen.ids == Counter(event.id for event in sent)
    assert {event.id: replace(event, source="") for event in seen.events} == {
        event.id: event for event in sent
    }


@pytest.mark.parametrize("as_pack", [False, True])
async def test_event_the_transport_always_refuses_is_set_aside_and_those_around_it_go_on(
    lab: Lab, tenant_a: UUID, as_pack: bool
) -> None:
    await lab.refuse_long_subjects()
    seen = Seen()
    bus = await lab.bus(Consumer("all", [TYPE], seen))
    events = [replace(started(tenant_a), subject="x" * (200_000 if n in (3, 4) else 1)) for n in range(12)]
    if as_pack:
        events = await lab.publish_as_pack(*events)
    else:
        await lab.publish(bus, *events)
    bad = events[3:5]
    good = {event.id for event in events} - {event.id for event in bad}
    await eventually(lambda: good <= set(seen.ids))
    await eventually(lambda: outbox_is_empty(bus))
    letters = await bus.dead_letters.list(consumer="outbox")
    assert {(one.event.id, one.subscriber, one.attempts) for one in letters} == {
        (event.id, "campaign-service.outbox", MAX_REFUSALS) for event in bad
    }
    assert all("refused an event" in one.error for one in letters)
    assert await bus.dead_letters.list() == letters
    assert set(seen.ids) == good


async def test_refused_event_is_sent_when_it_is_replayed(lab: Lab, tenant_a: UUID) -> None:
    await lab.refuse_long_subjects()
    seen = Seen()
    bus = await lab.bus(Consumer("all", [TYPE], seen))
    bad = replace(started(tenant_a), subject="x" * 200_000)
    await lab.publish(bus, bad)
    await eventually(lambda: bus.dead_letters.list(consumer="outbox"))
    async with lab.db.system_tx() as tx:
        await tx.execute("UPDATE outbox_refused SET subject = 'short'")
    assert await bus.dead_letters.replay(bad.id) == 1
    await eventually(lambda: seen.events)
    assert (seen.events[0].id, seen.events[0].subject) == (bad.id, "short")
    assert await bus.dead_letters.list() == []
    with pytest.raises(NotFoundError):
        await bus.dead_letters.replay(bad.id, consumer="outbox")
