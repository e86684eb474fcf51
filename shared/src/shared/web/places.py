"""Where in a request a wrong value is, in the words of the one who sent it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

# What pydantic calls the members of a union, which no client has written.
_TYPE_NAME = re.compile(r".*[^\w].*|str|int|float|bool|dict|list|none|date|datetime|uuid")
_MOST_STEPS = 12


def place_in(location: Sequence[str | int], sent: Any) -> list[str]:
    """`location` without the steps that are no part of `sent`: tags of unions, names of their types.

    A last step that is missing there is a field that ought to be there.
    """
    if len(location) > _MOST_STEPS or not isinstance(sent, dict | list):
        return [str(step) for step in location]
    ways = sorted(_ways(tuple(location), sent), key=lambda way: way[0])
    return [str(step) for step in ways[0][1]] if ways else [str(step) for step in location]


def _ways(rest: tuple[str | int, ...], value: Any) -> Iterator[tuple[int, list[str | int]]]:
    """Each way to read `rest` as steps into `value`, with how far-fetched it is."""
    if not rest:
        yield 0, []
        return
    step, *others = rest
    if _has(value, step):
        yield from ((cost, [step, *way]) for cost, way in _ways(tuple(others), value[step]))
    elif not others and isinstance(value, dict):
        yield 1, [step]
    if others or _TYPE_NAME.fullmatch(str(step)):
        yield from ((cost + 2, way) for cost, way in _ways(tuple(others), value))


def _has(value: Any, step: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(step, int) and 0 <= step < len(value)
    return isinstance(value, dict) and step in value
