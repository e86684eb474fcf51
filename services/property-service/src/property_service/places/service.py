"""Communes: from files, and from what files of sales mention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from property_service.places import repository
from property_service.places.departments import department_of, parent_of, region_of
from property_service.places.names import search_name
from property_service.places.repository import NewCity
from shared.database import Tx


def city(
    code: str,
    name: str,
    postal_codes: Iterable[str] = (),
    other_names: Iterable[str] = (),
    place: tuple[float, float] | None = None,
) -> NewCity:
    """A commune from what a file says of it; the rest follows from its code."""
    names = dict.fromkeys(search_name(each) for each in (name, *other_names))
    parent = parent_of(code)
    return NewCity(
        code=code,
        name=name,
        search_key="".join(f"|{each}" for each in names if each),
        postal_codes=tuple(sorted(set(postal_codes))),
        department=department_of(code),
        region=region_of(code),
        parent_code=parent[0] if parent else None,
        latitude=place[0] if place else None,
        longitude=place[1] if place else None,
    )


def with_parents(cities: Sequence[NewCity]) -> list[NewCity]:
    """The cities, and those that arrondissements among them belong to, with all their postal codes."""
    known = {each.code for each in cities}
    postal: dict[str, set[str]] = {}
    for each in cities:
        if each.parent_code and each.parent_code not in known:
            postal.setdefault(each.parent_code, set()).update(each.postal_codes)
    names = {parent[0]: parent[1] for each in cities if (parent := parent_of(each.code))}
    return [*(city(code, names[code], codes) for code, codes in postal.items()), *cities]


async def learn(
    tx: Tx, communes: Sequence[tuple[str, str, Sequence[str]]], merged: Mapping[str, tuple[str, str]]
) -> None:
    """Communes that a file of sales names: (code, name, postal codes), and former ones by today's code."""
    found = [city(code, name or code, postal) for code, name, postal in communes]
    named = {each.code for each in found}
    found += [city(code, name or code) for code, (_, name) in merged.items() if code not in named]
    if not found:
        return
    await repository.add_missing(tx, with_parents(found), "sales")
    if merged:
        await repository.merge_former(tx, {former: today for former, (today, _) in merged.items()})
