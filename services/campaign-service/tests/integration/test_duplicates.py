"""Deduplication through HTTP."""

from __future__ import annotations

import httpx
import pytest

from .contacts_kit import Contacts


async def test_a_dry_run_shows_the_pairs_and_changes_nothing(contacts: Contacts) -> None:
    first, second = await contacts.create("a.nn@gmail.com", "ann+news@googlemail.com")
    await contacts.create("a.nn@example.com", "ann@example.com")
    result = await contacts.job("/deduplicate")
    assert (result["dry_run"], result["groups"], result["duplicates"], result["merged"]) == (True, 1, 1, 0)
    assert result["pairs"] == [
        {
            "keep": {"id": first, "email": "a.nn@gmail.com"},
            "merge": [{"id": second, "email": "ann+news@googlemail.com"}],
        }
    ]
    assert len(await contacts.all()) == 4


async def test_merging_unites_tags_and_fills_gaps(contacts: Contacts) -> None:
    await contacts.create("ann@gmail.com", tags=["old"], first_name="Ann", custom_fields={"a": 1})
    await contacts.create("a.nn@gmail.com", tags=["new"], phone="1", custom_fields={"a": 2, "b": 2})
    await contacts.create("ann+x@gmail.com", first_name="Bea", phone="2", custom_fields={"b": 3, "c": 3})
    result = await contacts.job("/deduplicate", dry_run=False)
    assert (result["duplicates"], result["merged"]) == (2, 2)
    [kept] = (await contacts.all()).values()
    assert (kept["email"], kept["first_name"], kept["phone"]) == ("ann@gmail.com", "Ann", "1")
    assert kept["tags"] == ["new", "old"]
    assert kept["custom_fields"] == {"a": 1, "b": 2, "c": 3}
    assert (await contacts.job("/deduplicate", dry_run=False))["groups"] == 0


@pytest.mark.parametrize(
    ("keep", "email"),
    [("oldest", "ann@x.test"), ("newest", "ann+2@x.test"), ("most_complete", "ann+1@x.test")],
)
async def test_the_policy_says_who_stays(contacts: Contacts, keep: str, email: str) -> None:
    await contacts.create("ann@x.test")
    await contacts.create("ann+1@x.test", first_name="Ann", custom_fields={"a": 1})
    await contacts.create("ann+2@x.test", first_name="Ann")
    assert (await contacts.job("/deduplicate", dry_run=False))["groups"] == 0
    await contacts.job("/deduplicate", dry_run=False, plus_addresses=True, keep=keep)
    assert set(await contacts.all()) == {email}


async def test_a_no_under_one_address_counts_for_the_person(
    contacts: Contacts, client: httpx.AsyncClient
) -> None:
    await contacts.create("ann@gmail.com", "a.nn@gmail.com")
    answer = await client.post(
        f"/api/v2/suppressions/{contacts.tenant}",
        json={"address": "a.nn@gmail.com", "reason": "unsubscribed"},
        headers=contacts.headers,
    )
    assert answer.status_code == 201, answer.text
    await contacts.job("/deduplicate", dry_run=False)
    [kept] = (await contacts.all()).values()
    assert (kept["email"], kept["status"]) == ("ann@gmail.com", "unsubscribed")
