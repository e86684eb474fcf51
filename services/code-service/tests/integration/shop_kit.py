"""A ticket shop in a file: what a killed process has done there is still there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from code_service.automation.planning.model import discount_of
from code_service.fienta.memory import MemoryDiscounts
from code_service.fienta.port import (
    Discount,
    DiscountChange,
    DiscountCode,
    FientaBusy,
    FientaUnavailable,
    NewDiscountCode,
)


@dataclass
class FileShop:
    """The shop, by `open` as jobs open theirs. `calls` are the writes that were done, by all processes.

    `broken` codes are never answered for, `busy` openings are refused; `slow` is in seconds for each write.
    `stop_after` writes the shop hangs: after having done them, before it says so.
    """

    path: Path
    slow: float = 0.0
    busy: int = 0
    broken: set[str] = field(default_factory=set)
    outages: int = 0
    stop_after: int | None = None
    opened_with: list[dict[str, Any]] = field(default_factory=list)

    @property
    def state(self) -> dict[str, Any]:
        if not self.path.exists():
            return {"codes": [], "calls": []}
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found

    @property
    def calls(self) -> list[str]:
        return list(self.state["calls"])

    @property
    def codes(self) -> dict[str, DiscountCode]:
        return {found["code"]: _read(found) for found in self.state["codes"]}

    def add(self, code: str, percent: int = 40) -> None:
        one = DiscountCode(id=code, code=code, discount=Discount.of_percent(percent), limit_per_order=1)
        self.write([*self.codes.values(), one], self.calls)

    def write(self, codes: list[DiscountCode], calls: list[str]) -> None:
        text = json.dumps({"codes": [_written(one) for one in codes], "calls": calls})
        part = self.path.with_suffix(".part")
        part.write_text(text)
        part.replace(self.path)

    @asynccontextmanager
    async def open(self, *_: object, check: Callable[[], None], **options: Any) -> AsyncIterator[Session]:
        self.opened_with.append(options)
        if self.busy:
            self.busy -= 1
            raise FientaBusy("another worker uses this account at Fienta")
        yield Session(self, check)


class Session:
    """One worker in the shop."""

    def __init__(self, shop: FileShop, check: Callable[[], None]) -> None:
        self._shop = shop
        self._check = check

    async def list_codes(self) -> list[DiscountCode]:
        return list(self._shop.codes.values())

    async def read_code(self, code: str) -> DiscountCode:
        return await MemoryDiscounts(self._shop.codes.values()).read_code(code)

    async def create_code(self, new: NewDiscountCode) -> DiscountCode:
        return await self._write(f"create {new.code}", new.code, lambda memory: memory.create_code(new))

    async def rename_code(self, old: str, new: str) -> DiscountCode:
        return await self._write(f"rename {old} {new}", old, lambda memory: memory.rename_code(old, new))

    async def update_code(self, code: str, change: DiscountChange) -> DiscountCode:
        return await self._write(f"update {code}", code, lambda memory: memory.update_code(code, change))

    async def delete_code(self, code: str) -> None:
        raise AssertionError("no job deletes codes")

    async def _write(self, call: str, code: str, act: Callable[[MemoryDiscounts], Any]) -> DiscountCode:
        shop = self._shop
        if code in shop.broken:
            raise FientaUnavailable(f"the page of {code} does not answer")
        if shop.outages:
            shop.outages -= 1
            raise FientaUnavailable("Fienta does not answer")
        await self._wait(shop.slow)
        memory = MemoryDiscounts(shop.codes.values())
        found: DiscountCode = await act(memory)
        shop.write(await memory.list_codes(), [*shop.calls, call])
        if shop.stop_after is not None and len(shop.calls) >= shop.stop_after:
            await self._wait(600)
        return found

    async def _wait(self, seconds: float) -> None:
        """As the browser waits: the check comes ten times a second."""
        for _ in range(round(seconds * 10)):
            self._check()
            await asyncio.sleep(0.1)


def _written(one: DiscountCode) -> dict[str, Any]:
    return {
        "id": one.id,
        "code": one.code,
        "percent": str(one.discount.percent) if one.discount.percent is not None else None,
        "amount_minor": one.discount.amount_minor,
        "orders": one.limit_per_order,
        "tickets": one.limit_per_ticket,
        "title": one.title,
    }


def _read(found: dict[str, Any]) -> DiscountCode:
    discount = discount_of(found)
    assert discount is not None, "it was written with one"
    return DiscountCode(
        id=found["id"],
        code=found["code"],
        discount=discount,
        limit_per_order=found["orders"],
        limit_per_ticket=found["tickets"],
        title=found["title"],
    )
