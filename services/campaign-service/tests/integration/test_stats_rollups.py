"""Numbers kept as sums of changes against the rows they count, whatever was done to those."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign_service.contacts import repository as contacts
from campaign_service.contacts.duplicates import repository as duplicates
from campaign_service.contacts.privacy import repository as privacy
from campaign_service.imports import repository as imports
from campaign_service.stats import repository as stats
from campaign_service.stats.rollups import command, worker
from campaign_service.stats.rollups import repository as rollups
from campaign_service.stats.rollups.command import rebuild
from campaign_service.suppressions import repository as suppressions
from campaign_service.suppressions.repository import NewSuppression
from campaign_service.tags import repository as tags
from shared.database import SimpleDatabase, Tx
from shared.database.roles import runtime_dsn
from shared.testing import fresh_database, runtime_database
from shared.testing.databases import ROLE_SECRET
from shared.utils import utc_now, uuid7

from .campaigns_kit import Kit

SLUGS = ("a", "b", "c")
STATES = ("queued", "leased", "attempting", "accepted", "delivered", "failed", "skipped")
_CONTACTS = """SELECT status, validation_status, language, count(*) AS n FROM contact WHERE tenant_id = $1
    GROUP BY status, validation_status, language"""
_TAGS = """SELECT t.id, count(ct.contact_id) AS contact_count FROM tag t
    LEFT JOIN contact_tag ct ON ct.tenant_id = $1 AND ct.tag_id = t.id WHERE t.tenant_id = $1 GROUP BY t.id"""
_SUPPRESSIONS = """SELECT count(*) FROM suppression
    WHERE tenant_id = $1 AND (expires_at IS NULL OR expires_at > now())"""
_ISSUES = """SELECT source, kind, reason, count(*) AS count FROM delivery_issue WHERE tenant_id = $1
    GROUP BY source, kind, reason"""
_SUMS = """coalesce(sum(n), 0)::int AS n, coalesce(sum(accepted), 0)::int AS accepted,
    coalesce(sum(opened), 0)::int AS opened"""
_KEPT = f"""SELECT campaign_id, variant, state, {_SUMS} FROM recipient_figure WHERE tenant_id = $1
    GROUP BY campaign_id, variant, state HAVING sum(n) <> 0"""
_RECIPIENTS = """SELECT campaign_id, variant, state, count(*)::int AS n, count(accepted_at)::int AS accepted,
      count(first_opened_at)::int AS opened
    FROM campaign_recipient WHERE tenant_id = $1 GROUP BY campaign_id, variant, state"""


def as_set(rows: list[Any], *names: str) -> set[tuple[Any, ...]]:
    return {tuple(row[name] for name in names) for row in rows}


async def assert_right(tx: Tx, tenant: UUID) -> None:
    """Every roll-up says what a count of the rows says."""
    kind = ("status", "validation_status", "language", "n")
    counted = await tx.fetch(_CONTACTS, tenant)
    assert as_set(await stats.contacts(tx, tenant), *kind) == as_set(counted, *kind)
    listed = await tags.page(tx, tenant, None, None, 100)
    counted = await tx.fetch(_TAGS, tenant)
    assert as_set(listed, "id", "contact_count") == as_set(counted, "id", "contact_count")
    suppressed = (await stats.small_counts(tx, tenant))["suppressions"]
    assert suppressed == await tx.fetchval(_SUPPRESSIONS, tenant)
    issue = ("source", "kind", "reason", "count")
    counted = await tx.fetch(_ISSUES, tenant)
    assert as_set(await stats.issue_counts(tx, tenant), *issue) == as_set(counted, *issue)
    state = ("campaign_id", "variant", "state", "n", "accepted", "opened")
    counted = await tx.fetch(_RECIPIENTS, tenant)
    assert as_set(await tx.fetch(_KEPT, tenant), *state) == as_set(counted, *state)


@dataclass
class World:
    """One tenant; `n` of an operation chooses among what there is."""

    db: SimpleDatabase
    runner: asyncio.Runner
    tenant: UUID = field(default_factory=uuid7)
    made: int = 0

    async def some(self, tx: Tx, n: int) -> list[UUID]:
        rows = await tx.fetch("SELECT id FROM contact WHERE tenant_id = $1 ORDER BY id", self.tenant)
        return [row["id"] for row in rows[n % 3 :: 2]][:5]

    async def campaign(self, tx: Tx, n: int) -> UUID | None:
        sql = "SELECT id FROM campaign WHERE tenant_id = $1 ORDER BY id OFFSET $2 LIMIT 1"
        found: UUID | None = await tx.fetchval(sql, self.tenant, n % 2)
        return found


async def import_rows(world: World, tx: Tx, n: int) -> None:
    """A file with new people and, by `n`, with old ones."""
    first = max(0, world.made - n % 4)
    world.made = first + 4
    lines = [
        "\t".join([str(i), str(uuid7()), f"p{i}@example.com", "", "", "", "en", "", "", "", "{}", "", ""])
        for i in range(first, first + 4)
    ]
    await imports.open_staging(tx)
    await imports.stage(tx, ["\n".join(lines).encode() + b"\n"])
    mode = ("update", "skip", "fill_empty")[n % 3]
    await imports.merge(tx, world.tenant, uuid7(), default_language="fr", on_conflict=mode)
    found = await tags.ensure(tx, world.tenant, SLUGS[: n % 4])
    await imports.tag_staged(tx, world.tenant, list(found.values()))


async def update(world: World, tx: Tx, n: int) -> None:
    for contact_id in await world.some(tx, n):
        changes = {"language": ("de", "nl")[n % 2], "first_name": "Ann"}
        await contacts.update(tx, world.tenant, contact_id, changes)


async def delete(world: World, tx: Tx, n: int) -> None:
    await contacts.delete_many(tx, world.tenant, await world.some(tx, n))


async def tag(world: World, tx: Tx, n: int) -> None:
    found = await tags.ensure(tx, world.tenant, SLUGS[n % 3 :])
    await tags.attach(tx, world.tenant, await world.some(tx, n), list(found.values()))


async def untag(world: World, tx: Tx, n: int) -> None:
    await tags.detach(tx, world.tenant, await world.some(tx, n), [SLUGS[n % 3]])


async def delete_tag(world: World, tx: Tx, n: int) -> None:
    if tag_id := await tags.id_of_slug(tx, world.tenant, SLUGS[n % 3]):
        await tags.delete(tx, world.tenant, tag_id)


async def merge(world: World, tx: Tx, n: int) -> None:
    chosen = await world.some(tx, n)
    await duplicates.merge(tx, world.tenant, [(gone, chosen[0]) for gone in chosen[1:]])


async def erase(world: World, tx: Tx, n: int) -> None:
    for contact_id in (await world.some(tx, n))[:1]:
        if person := await privacy.find(tx, world.tenant, contact_id):
            await privacy.erase(tx, world.tenant, person)


async def suppress(world: World, tx: Tx, n: int) -> None:
    days = (None, -1, 0, 1, 40)[n % 5]
    end = None if days is None else utc_now() + timedelta(days=days, minutes=1)
    reason = ("soft_bounces", "complaint")[n % 2]
    address = f"p{n % 7}@example.com"
    await suppressions.add_many(tx, world.tenant, [NewSuppression(address, reason, expires_at=end)])


async def lift(world: World, tx: Tx, n: int) -> None:
    address = f"p{n % 7}@example.com"
    await suppressions.lift(tx, world.tenant, channel="email", address=address)


async def start(world: World, tx: Tx, n: int) -> None:
    await tx.execute(
        """WITH made AS (
             INSERT INTO campaign (tenant_id, id, name, channel, sms_text) VALUES ($1, $2, 'c', 'sms', 'hi'))
           INSERT INTO campaign_recipient (tenant_id, campaign_id, contact_id, email, language, variant)
           SELECT $1, $2, id, 'x@example.com', 'en', $3 FROM contact WHERE tenant_id = $1""",
        world.tenant,
        uuid7(),
        n % 3,
    )


async def send(world: World, tx: Tx, n: int) -> None:
    await tx.execute(
        """UPDATE campaign_recipient
           SET state = $3, skip_reason = 'x', accepted_at = CASE WHEN $3 IN ('accepted', 'delivered')
                 THEN coalesce(accepted_at, now()) ELSE accepted_at END,
               first_opened_at = CASE WHEN $4 THEN now() END
           WHERE tenant_id = $1 AND campaign_id = $2 AND contact_id IN (
             SELECT contact_id FROM campaign_recipient WHERE tenant_id = $1 AND campaign_id = $2
             ORDER BY contact_id OFFSET $5 LIMIT 4)""",
        world.tenant,
        await world.campaign(tx, n),
        STATES[n % len(STATES)],
        n % 2 == 0,
        n % 5,
    )


async def delete_campaign(world: World, tx: Tx, n: int) -> None:
    sql = "DELETE FROM campaign WHERE tenant_id = $1 AND id = $2"
    await tx.execute(sql, world.tenant, await world.campaign(tx, n))


async def report(world: World, tx: Tx, n: int) -> None:
    await tx.execute(
        """INSERT INTO delivery_issue (tenant_id, id, source, kind, reason, raw, dedupe_key)
           VALUES ($1, $2, 'mail', 'unmatched', $3, 'p1@example.com', $4) ON CONFLICT DO NOTHING""",
        world.tenant,
        uuid7(),
        f"reason {n % 2}",
        str(n % 6).encode(),
    )


OPERATIONS: tuple[Callable[[World, Tx, int], Awaitable[None]], ...] = (
    import_rows,
    update,
    delete,
    tag,
    untag,
    delete_tag,
    merge,
    erase,
    suppress,
    lift,
    start,
    send,
    delete_campaign,
    report,
)


class GaveUpError(Exception):
    """Ends a transaction that is to leave nothing behind."""


async def play(world: World, operations: list[tuple[int, int, bool, bool]]) -> None:
    world.tenant, world.made = uuid7(), 0
    for which, n, is_lost, is_folded in [(0, 3, False, False), (0, 3, False, False), *operations]:
        try:
            async with world.db.tenant_tx(world.tenant) as tx:
                await OPERATIONS[which](world, tx, n)
                await assert_right(tx, world.tenant)
                if is_lost:
                    raise GaveUpError
        except GaveUpError:
            world.made = 0
        if is_folded:
            await fold(world.db)
        async with world.db.tenant_tx(world.tenant) as tx:
            await assert_right(tx, world.tenant)


async def fold(db: SimpleDatabase) -> None:
    for rollup in rollups.ROLLUPS:
        async with db.system_tx() as tx:
            await rollups.fold(tx, rollup, utc_now())


@pytest.fixture(scope="module")
def world(database_template: str) -> Iterator[World]:
    """A database for all examples, which have a tenant each."""
    with asyncio.Runner() as runner:
        opened = fresh_database(database_template)
        dsn = runner.run(opened.__aenter__())
        made = World(runtime_database(dsn, "campaign"), runner)
        runner.run(made.db.connect())
        yield made
        runner.run(made.db.close())
        runner.run(opened.__aexit__(None, None, None))


STEPS = st.tuples(st.integers(0, len(OPERATIONS) - 1), st.integers(0, 60), st.booleans(), st.booleans())


@given(st.lists(STEPS, min_size=3, max_size=10))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_roll_ups_say_what_a_recount_says(
    world: World, operations: list[tuple[int, int, bool, bool]]
) -> None:
    world.runner.run(play(world, operations))
    assert set(world.runner.run(rebuild(world.db)).values()) == {0}


async def test_writers_neither_wait_for_nor_block_each_other(kit: Kit) -> None:
    """Two transactions change the same numbers and then each other's contacts' numbers, in opposite order."""
    first, second = await kit.add_contacts(2)
    async with kit.db.tenant_tx(kit.tenant) as one, kit.db.tenant_tx(kit.tenant) as other:
        await contacts.update(one, kit.tenant, first, {"language": "fr"})
        await contacts.update(other, kit.tenant, second, {"language": "fr"})
        tag_ids = await tags.ensure(one, kit.tenant, ["a"])
        await tags.attach(one, kit.tenant, [first], list(tag_ids.values()))
        await suppressions.add_many(other, kit.tenant, [NewSuppression("x@example.com", "manual")])
        await fold(kit.db)
    async with kit.db.tenant_tx(kit.tenant) as tx:
        await assert_right(tx, kit.tenant)
    assert (await kit.stats("contacts"))["by_language"] == {"fr": 2}


async def test_rows_of_one_number_are_put_together(kit: Kit) -> None:
    for n in range(5):
        await kit.add_contacts(1, prefix=f"x{n}")
    count = "SELECT count(*) AS rows, sum(n)::int AS n FROM contact_figure WHERE tenant_id = $1"
    await fold(kit.db)
    assert await kit.fetch(count, kit.tenant) == [{"rows": 1, "n": 5}]
    await kit.execute("DELETE FROM contact WHERE tenant_id = $1", kit.tenant)
    await fold(kit.db)
    assert await kit.fetch(count, kit.tenant) == [{"rows": 0, "n": None}]


async def test_when_mails_went_is_kept_while_it_tells_the_present_rate(kit: Kit) -> None:
    campaign_id = await kit.accepted(4)
    before = await kit.ok("GET", f"/{campaign_id}/progress")
    async with kit.db.system_tx() as tx:
        await rollups.fold(tx, rollups.RECIPIENTS, kit.clock.now())
    assert await kit.ok("GET", f"/{campaign_id}/progress") == before
    kit.clock.advance(3600)
    async with kit.db.system_tx() as tx:
        await rollups.fold(tx, rollups.RECIPIENTS, kit.clock.now())
    states = "SELECT state, n FROM recipient_figure WHERE tenant_id = $1"
    assert await kit.fetch(states, kit.tenant) == [{"state": "accepted", "n": 4}]


async def test_a_rebuild_corrects_what_is_wrong_and_nothing_else(lone_kit: Kit) -> None:
    kit = lone_kit
    await kit.accepted(3)
    await kit.add_tags("a")
    assert set((await rebuild(kit.db)).values()) == {0}
    await kit.execute("UPDATE contact_figure SET n = n + 7 WHERE tenant_id = $1", kit.tenant)
    await kit.execute("DELETE FROM recipient_figure WHERE tenant_id = $1", kit.tenant)
    corrected = await rebuild(kit.db)
    assert {table for table, number in corrected.items() if number} == {"contact_figure", "recipient_figure"}
    async with kit.db.tenant_tx(kit.tenant) as tx:
        await assert_right(tx, kit.tenant)


async def test_the_service_puts_rows_together_by_itself(lone_kit: Kit) -> None:
    await lone_kit.add_contacts(2, prefix="a")
    await lone_kit.add_contacts(2, prefix="b")
    runtime = lone_kit.runtime
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(runtime, stop))
    await until_one_row(lone_kit)
    stop.set()
    await task


async def until_one_row(kit: Kit) -> None:
    count = "SELECT count(*) AS rows FROM contact_figure WHERE tenant_id = $1"
    while True:
        if await kit.fetch(count, kit.tenant) == [{"rows": 1}]:
            return
        await asyncio.sleep(0.02)


def test_the_command_says_what_it_corrected(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHON_ENV", "test")
    monkeypatch.setenv("DATABASE_URL", runtime_dsn(database_dsn, "campaign", ROLE_SECRET))
    assert command.main([]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{rollup.table}: nothing to correct" for rollup in rollups.ROLLUPS
    ]
