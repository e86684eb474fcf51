"""Files with people of whom only a phone is known, as photo portals have them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from .test_imports import Imports, counts

FILE = """email,phone,country,first name,tags,portal
,+1 (202) 555-0143,,Ann,buyer,one
,202 555 0143,US,Ann again,,one
bob@example.com,+12025550143,,Bob,buyer,one
,12,,Short,,one
,,,Nobody,,one
"""


@pytest.fixture
def imports(client: httpx.AsyncClient, tenant_a: UUID, headers: dict[str, str]) -> Imports:
    return Imports(client, tenant_a, headers)


async def people(imports: Imports) -> list[tuple[Any, ...]]:
    rows = (await imports.get(limit=200)).json()["data"]
    return sorted((row["email"] or row["phone_e164"], row["first_name"], row["tags"]) for row in rows)


async def test_a_number_is_as_good_as_an_address(imports: Imports) -> None:
    first = await imports.run(FILE, tags=["portal"])
    assert counts(first) == {"total": 5, "created": 2, "duplicate": 1, "rejected": 2}
    assert await imports.rejections(first["id"]) == [
        (3, "duplicate_in_file"),
        (5, "phone_invalid"),
        (6, "email_missing"),
    ]
    assert await people(imports) == [
        ("+12025550143", "Ann", ["buyer", "portal"]),
        ("bob@example.com", "Bob", ["buyer", "portal"]),
    ]
    again = await imports.run(FILE, tags=["portal"])
    assert counts(again) == {"total": 5, "unchanged": 2, "duplicate": 1, "rejected": 2}


@pytest.mark.parametrize(("mode", "name"), [("update", "Anna"), ("fill_empty", "Ann"), ("skip", "Ann")])
async def test_people_who_are_there_are_treated_as_asked(imports: Imports, mode: str, name: str) -> None:
    await imports.run("email,phone,first name\n,+12025550143,Ann\n")
    await imports.run("email,phone,first name,city\n,+12025550143,Anna,Rome\n", on_conflict=mode)
    (row,) = (await imports.get()).json()["data"]
    assert row["first_name"] == name
    assert row["custom_fields"] == ({} if mode == "skip" else {"city": "Rome"})
