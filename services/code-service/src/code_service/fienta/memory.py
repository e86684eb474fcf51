"""Discount codes kept in memory by the same rules as Fienta's pages: for rehearsals and dry runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from code_service.fienta.port import (
    CodeExists,
    CodeNotFound,
    DiscountChange,
    DiscountCode,
    FientaRefused,
    NewDiscountCode,
    normalised,
)

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


class MemoryDiscounts:
    """Begins with a copy of `codes`; nothing of what is done here reaches Fienta."""

    def __init__(
        self, codes: Iterable[DiscountCode] = (), now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._codes = {normalised(found.code): found for found in codes}
        self._now = now
        self._made = 0

    async def list_codes(self) -> list[DiscountCode]:
        return list(self._codes.values())

    async def read_code(self, code: str) -> DiscountCode:
        return self._found(code)

    async def create_code(self, new: NewDiscountCode) -> DiscountCode:
        self._check_free(new.code)
        _check_limits(new.limit_per_order, new.limit_per_ticket)
        made = DiscountCode(
            id=self._next_id(),
            code=_checked(new.code),
            discount=new.discount,
            limit_per_order=new.limit_per_order,
            limit_per_ticket=new.limit_per_ticket,
            title=new.title,
            created_at=self._now().replace(microsecond=0),
        )
        self._codes[normalised(new.code)] = made
        return made

    async def rename_code(self, old: str, new: str) -> DiscountCode:
        found = self._found(old)
        if normalised(new) != normalised(old):
            self._check_free(new)
        renamed = replace(found, code=_checked(new))
        self._codes = {
            normalised(one.code): one for one in (renamed if c is found else c for c in self._codes.values())
        }
        return renamed

    async def update_code(self, code: str, change: DiscountChange) -> DiscountCode:
        changed = change.applied_to(self._found(code))
        _check_limits(changed.limit_per_order, changed.limit_per_ticket)
        self._codes[normalised(code)] = changed
        return changed

    async def delete_code(self, code: str) -> None:
        if self._found(code).used:
            raise FientaRefused(f"{code} was used and cannot be deleted")
        del self._codes[normalised(code)]

    def _found(self, code: str) -> DiscountCode:
        found = self._codes.get(normalised(code))
        if found is None:
            raise CodeNotFound(code)
        return found

    def _check_free(self, code: str) -> None:
        existing = self._codes.get(normalised(code))
        if existing is not None:
            raise CodeExists(existing)

    def _next_id(self) -> str:
        taken = {found.id for found in self._codes.values()}
        while True:
            self._made += 1
            if f"new-{self._made}" not in taken:
                return f"new-{self._made}"


def _check_limits(*limits: int | None) -> None:
    if any(limit is not None and limit < 1 for limit in limits):
        raise FientaRefused("A limit is at least 1")


def _checked(code: str) -> str:
    """The code without outer blanks; FientaRefused for one that cannot be typed at a till."""
    trimmed = code.strip()
    if not _CODE.match(trimmed):
        raise FientaRefused("A code is 1 to 64 letters, digits, dots, dashes and underscores")
    return trimmed
