"""Segments through HTTP, and their SQL against the same rules worked out by hand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign_service.segments import service
from campaign_service.segments.query import repository as query
from campaign_service.segments.schemas import PreviewIn
from shared.database import SimpleDatabase
from shared.testing import fresh_database, runtime_database
from shared.utils import utc_now, uuid7

from .campaigns_kit import Kit
from .contacts_kit import Contacts

TAGS = 5
Person = dict[str, Any]


@dataclass
class World:
    db: SimpleDatabase
    runner: asyncio.Runner
    tenant: UUID
    people: list[Person]


def invent(number: int) -> list[Person]:
    chance = random.Random(11)
    return [
        {
            "id": uuid7(),
            "email": f"p{n}@example.com",
            "country": chance.choice([None, "", "FR", "DE"]),
            "first_name": chance.choice([None, "Ann", "Anna", "100%"]),
            "custom": chance.choice([{}, {"plan": "gold"}, {"plan": 5}, {"plan": 7.5}, {"plan": True}]),
            "tags": {tag for tag in range(TAGS) if chance.random() < 0.4},
        }
        for n in range(number)
    ]


async def store(db: SimpleDatabase, tenant: UUID, people: list[Person]) -> None:
    tags = [uuid7() for _ in range(TAGS)]
    async with db.tenant_tx(tenant) as tx:
        await tx.executemany(
            "INSERT INTO tag (tenant_id, id, slug, name) VALUES ($1, $2, $3, $3)",
            [(tenant, tag_id, f"t{n}") for n, tag_id in enumerate(tags)],
        )
        await tx.executemany(
            """INSERT INTO contact (tenant_id, id, email, country, first_name, custom_fields)
               VALUES ($1, $2, $3, $4, $5, $6)""",
            [(tenant, p["id"], p["email"], p["country"], p["first_name"], p["custom"]) for p in people],
        )
        await tx.executemany(
            "INSERT INTO contact_tag (tenant_id, tag_id, contact_id) VALUES ($1, $2, $3)",
            [(tenant, tags[tag], p["id"]) for p in people for tag in p["tags"]],
        )


@pytest.fixture(scope="module")
def world(database_template: str) -> Iterator[World]:
    """One database for all examples; a second tenant has the same addresses and tags."""
    with asyncio.Runner() as runner:
        opened = fresh_database(database_template)
        dsn = runner.run(opened.__aenter__())
        made = World(runtime_database(dsn, "campaign"), runner, uuid7(), invent(80))
        runner.run(made.db.connect())
        runner.run(store(made.db, made.tenant, made.people))
        runner.run(store(made.db, uuid7(), invent(40)))
        yield made
        runner.run(made.db.close())
        runner.run(opened.__aexit__(None, None, None))


SLUGS = st.lists(st.integers(0, TAGS - 1).map("t{}".format), max_size=3, unique=True)
TAGGED = st.fixed_dictionaries({"tags_all": SLUGS, "tags_any": SLUGS, "exclude_tags": SLUGS})
FIELDS = st.fixed_dictionaries(
    {
        "field": st.sampled_from(["country", "first_name"]),
        "op": st.sampled_from(["is", "is_not", "contains", "starts_with"]),
        "value": st.sampled_from(["FR", "fr", "ann", "Ann", "%", "", "'; DROP TABLE contact --"]),
    }
) | st.fixed_dictionaries(
    {"field": st.sampled_from(["country", "first_name"]), "op": st.sampled_from(["is_set", "is_empty"])}
)
CUSTOM = st.fixed_dictionaries(
    {"custom": st.sampled_from(["plan", "none"]), "op": st.sampled_from(["greater", "less"])}
    | {"value": st.sampled_from([4, 5, 7.5])}
) | st.fixed_dictionaries(
    {"custom": st.just("plan"), "op": st.sampled_from(["is", "is_not"])}
    | {"value": st.sampled_from(["gold", 5, True, ["gold", "5"]])}
)
RULES = st.recursive(
    TAGGED | FIELDS | CUSTOM,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda rules: {"all": rules})
        | st.lists(inner, min_size=1, max_size=3).map(lambda rules: {"any": rules})
        | inner.map(lambda rule: {"not": rule})
    ),
    max_leaves=6,
)


def holds(rule: dict[str, Any], person: Person) -> bool:
    """The rule by its meaning, over one person at a time."""
    if "all" in rule:
        return all(holds(inner, person) for inner in rule["all"])
    if "any" in rule:
        return any(holds(inner, person) for inner in rule["any"])
    if "not" in rule:
        return not holds(rule["not"], person)
    if "tags_all" in rule:
        has = {f"t{tag}" for tag in person["tags"]}
        wanted, some, none = (set(rule[name]) for name in ("tags_all", "tags_any", "exclude_tags"))
        return wanted <= has and (not some or bool(some & has)) and not none & has
    if rule["op"] in ("greater", "less"):
        number = person["custom"].get(rule["custom"])
        if isinstance(number, bool) or not isinstance(number, int | float):
            return False
        return bool(number > rule["value"] if rule["op"] == "greater" else number < rule["value"])
    return text_holds(rule, person[rule["field"]] if "field" in rule else said(person["custom"], rule))


def said(custom: dict[str, Any], rule: dict[str, Any]) -> str | None:
    return written(custom[rule["custom"]]) if rule["custom"] in custom else None


def written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def text_holds(rule: dict[str, Any], text: str | None) -> bool:
    value = rule.get("value")
    among = [value] if not isinstance(value, list) else value
    match rule["op"]:
        case "is":
            return text in [written(one) for one in among]
        case "is_not":
            return text not in [written(one) for one in among]
        case "contains":
            return text is not None and str(value).lower() in text.lower()
        case "starts_with":
            return text is not None and text.lower().startswith(str(value).lower())
        case "is_set":
            return bool(text)
        case _:
            return not text


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rule=RULES)
def test_a_segment_is_whom_its_rules_mean(world: World, rule: dict[str, Any]) -> None:
    expected = [person["id"] for person in world.people if holds(rule, person)]

    async def ask() -> tuple[int, list[UUID]]:
        definition = PreviewIn.model_validate({"definition": rule}).definition
        async with world.db.tenant_tx(world.tenant) as tx:
            compiled = await service.compile_rule(tx, world.tenant, definition, utc_now())
            return await query.count(tx, compiled), await query.ids(tx, compiled, None, 1000)

    count, ids = world.runner.run(ask())
    assert ids == expected
    assert count == len(expected)


async def test_a_segment_is_kept_counted_changed_and_deleted(contacts: Contacts) -> None:
    await contacts.create("ann@example.com", "bob@example.com", tags=["vip"], country="FR")
    await contacts.create("cleo@example.com", tags=["vip", "gone"])
    rule = {"all": [{"tags_all": ["vip"], "exclude_tags": ["gone"]}, {"field": "country", "value": "FR"}]}
    made = await contacts.call("POST", "/segments", {"name": "French", "definition": rule})
    assert (made["count"], made["definition"]) == (2, rule)
    again = await contacts.post("/segments", {"name": "French", "definition": rule})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "SEGMENT_EXISTS")
    members = await contacts.call("GET", f"/segments/{made['id']}/contacts?limit=1")
    assert [row["email"] for row in members] == ["ann@example.com"]
    listed = await contacts.client.get(
        f"{contacts.base}/segments/{made['id']}/contacts?limit=1", headers=contacts.headers
    )
    cursor = listed.json()["meta"]["next_cursor"]
    rest = await contacts.call("GET", f"/segments/{made['id']}/contacts?limit=1&cursor={cursor}")
    assert [row["email"] for row in rest] == ["bob@example.com"]
    changed = {"name": "Gone", "definition": {"not": rule}}
    assert (await contacts.call("PUT", f"/segments/{made['id']}", changed))["count"] == 1
    assert [row["name"] for row in await contacts.call("GET", "/segments")] == ["Gone"]
    await contacts.call("DELETE", f"/segments/{made['id']}")
    assert await contacts.call("GET", "/segments") == []


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        ({}, 422),
        ({"all": []}, 422),
        ({"field": "password", "value": "x"}, 422),
        ({"field": "email", "op": "contains"}, 422),
        ({"custom": "a'b", "value": "x"}, 422),
        ({"custom": "a", "op": "greater", "value": "5"}, 422),
        ({"date": "created_at"}, 422),
        ({"tags_all": ["nobody"]}, 400),
        ({"all": [{"any": [{"tags_any": ["nobody"]}]}]}, 400),
    ],
)
async def test_rules_without_meaning_are_refused(
    contacts: Contacts, rule: dict[str, Any], status: int
) -> None:
    assert (await contacts.post("/segments/preview", {"definition": rule})).status_code == status


async def test_a_tree_has_an_end(contacts: Contacts) -> None:
    rule: dict[str, Any] = {"field": "email", "op": "is_set"}
    for _ in range(10):
        rule = {"not": rule}
    assert (await contacts.post("/segments/preview", {"definition": rule})).status_code == 422
    many = {"all": [{"any": [{"field": "email", "op": "is_set"}] * 50}] * 2}
    assert (await contacts.post("/segments/preview", {"definition": many})).status_code == 422


async def test_people_are_found_by_what_they_did_and_when(kit: Kit) -> None:
    campaign = await kit.accepted(3)
    people = [row["contact_id"] for row in await kit.recipients(campaign)]
    for contact, verdict, days in zip(people, ("human", "scanner", "human"), (5, 5, 50), strict=True):
        await kit.execute(
            """INSERT INTO message_event
                 (tenant_id, id, campaign_id, contact_id, type, occurred_at, verdict, dedupe_key)
               VALUES ($1, $2, $3, $4, 'opened', $5::timestamptz - make_interval(days => $6), $7, $8)""",
            kit.tenant,
            uuid7(),
            campaign,
            contact,
            kit.clock.now(),
            days,
            verdict,
            contact.bytes,
        )

    async def found(rule: dict[str, Any]) -> set[str]:
        answer = await kit.request(
            "POST", f"/api/v2/contacts/{kit.tenant}/segments/preview", json={"definition": rule}
        )
        return {row["id"] for row in answer.json()["data"]["sample"]}

    first, second, third = map(str, people)
    assert await found({"event": "opened", "within_days": 30}) == {first}
    assert await found({"event": "opened"}) == {first, third}
    assert await found({"event": "opened", "within_days": 30, "happened": False}) == {second, third}
    assert await found({"date": "created_at", "within_days": 1}) == {first, second, third}
    assert await found({"date": "created_at", "before": "2020-01-01T00:00:00Z"}) == set()
