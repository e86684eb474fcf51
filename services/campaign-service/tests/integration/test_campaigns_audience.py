"""The audience in SQL against the audience worked out by hand in Python."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign_service.campaigns.audience import repository, service
from campaign_service.campaigns.audience.repository import Languages, Selection
from shared.database import SimpleDatabase, Tx
from shared.testing import fresh_database, runtime_database
from shared.utils import uuid7

from .campaigns_kit import Kit

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STATUSES = ("valid", "valid", "valid", "pending", "invalid", "blacklisted", "unsubscribed")
LANGUAGES = ("en", "fr", "fr-CA", "de")
TAGS = 5


@dataclass
class Person:
    id: UUID
    email: str
    status: str
    language: str
    tags: set[int]
    suppressed: dict[str, tuple[str, datetime | None]] = field(default_factory=dict)

    def reason(self) -> str | None:
        """Why this address is not written to now, the wider scope first."""
        for scope in ("all", "marketing"):
            reason, until = self.suppressed.get(scope, ("", None))
            if reason and (until is None or until > NOW):
                return reason
        return None


@dataclass
class World:
    """A tenant's contacts in memory and, the same, in the database."""

    db: SimpleDatabase
    runner: asyncio.Runner
    tenant: UUID
    tags: list[UUID]
    people: list[Person]


def invent(number: int) -> list[Person]:
    chance = random.Random(7)
    people = []
    for n in range(number):
        tags = {tag for tag in range(TAGS) if chance.random() < 0.4}
        person = Person(uuid7(), f"P{n}@Example.com", chance.choice(STATUSES), chance.choice(LANGUAGES), tags)
        for scope in ("all", "marketing"):
            if chance.random() < 0.15:
                until = chance.choice([None, NOW - timedelta(days=1), NOW + timedelta(days=1)])
                person.suppressed[scope] = (chance.choice(["manual", "complaint", "hard_bounce"]), until)
        people.append(person)
    return people


async def store(tx: Tx, world: World) -> None:
    for index, tag_id in enumerate(world.tags):
        await tx.execute(
            "INSERT INTO tag (tenant_id, id, slug, name) VALUES ($1, $2, $3, $3)",
            world.tenant,
            tag_id,
            f"t{index}",
        )
    for person in world.people:
        await tx.execute(
            "INSERT INTO contact (tenant_id, id, email, status, language) VALUES ($1, $2, $3, $4, $5)",
            world.tenant,
            person.id,
            person.email,
            person.status,
            person.language,
        )
        for tag in person.tags:
            await tx.execute(
                "INSERT INTO contact_tag (tenant_id, tag_id, contact_id) VALUES ($1, $2, $3)",
                world.tenant,
                world.tags[tag],
                person.id,
            )
        for scope, (reason, until) in person.suppressed.items():
            await tx.execute(
                """INSERT INTO suppression (tenant_id, id, channel, address_lower, scope, reason, expires_at)
                   VALUES ($1, $2, 'email', lower($3), $4, $5, $6)""",
                world.tenant,
                uuid7(),
                person.email,
                scope,
                reason,
                until,
            )


@pytest.fixture(scope="module")
def world(database_template: str) -> Iterator[World]:
    """One database for all examples; a second tenant has the same addresses and tags."""
    with asyncio.Runner() as runner:
        opened = fresh_database(database_template)
        dsn = runner.run(opened.__aenter__())
        db = runtime_database(dsn, "campaign")
        made = World(db, runner, uuid7(), [uuid7() for _ in range(TAGS)], invent(120))

        async def fill() -> None:
            await db.connect()
            async with db.tenant_tx(made.tenant) as tx:
                await store(tx, made)
            twin = World(db, runner, uuid7(), [uuid7() for _ in range(TAGS)], invent(40))
            async with db.tenant_tx(twin.tenant) as tx:
                await store(tx, twin)

        runner.run(fill())
        yield made
        runner.run(db.close())
        runner.run(opened.__aexit__(None, None, None))


def chosen(world: World, tags_all: set[int], tags_any: set[int], exclude: set[int]) -> list[Person]:
    return [
        person
        for person in world.people
        if tags_all <= person.tags and (not tags_any or person.tags & tags_any) and not person.tags & exclude
    ]


TAG_SETS = st.sets(st.integers(0, TAGS - 1), max_size=3)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tags_all=TAG_SETS, tags_any=TAG_SETS, exclude=TAG_SETS, forced=st.sampled_from([None, "fr"]))
def test_the_frozen_audience_is_the_one_worked_out_by_hand(
    world: World, tags_all: set[int], tags_any: set[int], exclude: set[int], forced: str | None
) -> None:
    people = chosen(world, tags_all, tags_any, exclude)
    eligible = [person for person in people if person.status == "valid"]
    selection = Selection(
        tuple(world.tags[t] for t in tags_all),
        tuple(world.tags[t] for t in tags_any),
        tuple(world.tags[t] for t in exclude),
    )

    async def freeze() -> tuple[
        tuple[int, int], dict[UUID, tuple[str, str | None, str]], service.AudienceCount
    ]:
        async with world.db.tenant_tx(world.tenant) as tx:
            campaign = await add_campaign(tx, world.tenant)
            languages = Languages(forced, ("en", "fr"), "en")
            numbers = await repository.freeze(tx, world.tenant, campaign, selection, languages, NOW)
            rows = await tx.fetch(
                """SELECT contact_id, state, skip_reason, language FROM campaign_recipient
                   WHERE tenant_id = $1 AND campaign_id = $2""",
                world.tenant,
                campaign,
            )
            counted = await service.count(tx, world.tenant, selection, NOW)
            return (
                numbers,
                {r["contact_id"]: (r["state"], r["skip_reason"], r["language"]) for r in rows},
                counted,
            )

    (queued, skipped), frozen, counted = world.runner.run(freeze())
    own = {"en": "en", "fr": "fr", "fr-CA": "fr", "de": "en"}
    assert frozen == {
        p.id: ("skipped" if p.reason() else "queued", p.reason(), forced or own[p.language]) for p in eligible
    }
    reachable = [p for p in eligible if p.reason() is None]
    assert (queued, skipped) == (len(reachable), len(eligible) - len(reachable))
    assert counted.eligible == queued
    assert sum(counted.suppressed.values()) == skipped
    assert sum(counted.not_eligible.values()) == len(people) - len(eligible)


async def add_campaign(tx: Tx, tenant: UUID) -> UUID:
    template, campaign = uuid7(), uuid7()
    await tx.execute(
        "INSERT INTO template (tenant_id, id, name) VALUES ($1, $2, $3)", tenant, template, str(template)
    )
    await tx.execute(
        "INSERT INTO campaign (tenant_id, id, name, template_id) VALUES ($1, $2, 'x', $3)",
        tenant,
        campaign,
        template,
    )
    return campaign


async def test_the_audience_is_counted_with_its_reasons_and_a_sample(kit: Kit) -> None:
    tags = await kit.add_tags("verified", "bounced")
    people = await kit.add_contacts(14)
    gone = await kit.add_contacts(2, status="unsubscribed", prefix="g")
    await kit.tag(tags["verified"], [*people, *gone])
    await kit.tag(tags["bounced"], people[:1])
    await kit.execute(
        """INSERT INTO suppression (tenant_id, id, channel, address_lower, scope, reason)
           VALUES ($1, $2, 'email', 'c2@example.com', 'marketing', 'unsubscribed')""",
        kit.tenant,
        uuid7(),
    )
    campaign = await kit.create(tags_all=["verified"], exclude_tags=["bounced"])
    audience = await kit.ok("GET", f"/{campaign['id']}/audience")
    assert (audience["count"], audience["suppressed"]) == (12, {"unsubscribed": 1})
    assert audience["not_eligible"] == {"unsubscribed": 2}
    assert [row["id"] for row in audience["sample"]] == [str(contact) for contact in people[2:12]]
