"""Discount codes of one Fienta event, as the rest of this service sees them.

Two adapters keep to this protocol and pass one contract: `memory.MemoryDiscounts` (rehearsals, dry runs) and
`browser.BrowserDiscounts` (the real pages). `session.open_fienta` gives the real one to a job:

    async with open_fienta(settings, db, tenant_id, check=ctx.check_cancelled, keep=keep) as fienta:
        for found in await fienta.list_codes():
            await fienta.rename_code(found.code, "MOB-" + found.code)

For a dry run, rehearse on a copy: `MemoryDiscounts(await fienta.list_codes())`.

What an absence means: `list_codes` answers with an empty list only when the page itself says that the event
has no codes. Even so a list is never a reason to delete or mark anything that it does not name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol, Self

from code_service.fienta.errors import (
    CodeExists,
    CodeNotFound,
    FientaBusy,
    FientaError,
    FientaLoginFailed,
    FientaNotConfigured,
    FientaPageChanged,
    FientaRefused,
    FientaRowError,
    FientaUnavailable,
)

__all__ = [
    "CodeExists",
    "CodeNotFound",
    "Discount",
    "DiscountChange",
    "DiscountCode",
    "FientaBusy",
    "FientaDiscounts",
    "FientaError",
    "FientaLoginFailed",
    "FientaNotConfigured",
    "FientaPageChanged",
    "FientaRefused",
    "FientaRowError",
    "FientaUnavailable",
    "KeepArtifact",
    "NewDiscountCode",
    "normalised",
]

#: Called with a file name (`01-create_code.png`, `01-create_code.html`) and its bytes when a step has failed.
KeepArtifact = Callable[[str, bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Discount:
    """What a code takes off: `percent`, 0 to 100, or `amount_minor` in cents of the event's currency.

    Exactly one of the two is given; ValueError otherwise.
    """

    percent: Decimal | None = None
    amount_minor: int | None = None

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.amount_minor is None):
            raise ValueError("a discount is either a percentage or an amount")
        if self.percent is not None and not 0 <= self.percent <= 100:
            raise ValueError("a percentage is between 0 and 100")
        if self.amount_minor is not None and self.amount_minor < 0:
            raise ValueError("an amount is not negative")

    @classmethod
    def of_percent(cls, percent: int | Decimal | str) -> Self:
        return cls(percent=Decimal(percent))

    @classmethod
    def of_amount(cls, amount_minor: int) -> Self:
        """`amount_minor` in cents."""
        return cls(amount_minor=amount_minor)

    @property
    def value(self) -> str:
        """The number as people type it: `40`, `12.5`, `7.50`."""
        if self.percent is not None:
            return (
                f"{self.percent:f}".rstrip("0").rstrip(".")
                if "." in f"{self.percent:f}"
                else f"{self.percent:f}"
            )
        assert self.amount_minor is not None
        return f"{self.amount_minor // 100}.{self.amount_minor % 100:02}"

    def __str__(self) -> str:
        return f"{self.value} %" if self.percent is not None else self.value


@dataclass(frozen=True, slots=True)
class NewDiscountCode:
    """A code to be made. A limit of None means no limit; `title` is for the organiser's eyes."""

    code: str
    discount: Discount
    limit_per_order: int | None = 1
    limit_per_ticket: int | None = 1
    title: str = ""


@dataclass(frozen=True, slots=True)
class DiscountCode:
    """A code as Fienta has it.

    `id` is Fienta's and stays when the code is renamed. `used` counts orders. Of the limits, the first is on
    orders and the second on tickets; None is no limit. `created_at` is None where the pages do not show it.
    """

    id: str
    code: str
    discount: Discount
    used: int = 0
    limit_per_order: int | None = None
    limit_per_ticket: int | None = None
    title: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DiscountChange:
    """What to change of a code; None leaves as it is. A limit of 0 takes the limit away."""

    discount: Discount | None = None
    limit_per_order: int | None = None
    limit_per_ticket: int | None = None

    def applied_to(self, found: DiscountCode) -> DiscountCode:
        """The code as it will be; equal to `found` when there is nothing to do."""
        return replace(
            found,
            discount=self.discount or found.discount,
            limit_per_order=_limit(self.limit_per_order, found.limit_per_order),
            limit_per_ticket=_limit(self.limit_per_ticket, found.limit_per_ticket),
        )


def _limit(wanted: int | None, found: int | None) -> int | None:
    return found if wanted is None else wanted or None


def normalised(code: str) -> str:
    """What makes two codes the same: case and outer blanks do not count."""
    return code.strip().upper()


class FientaDiscounts(Protocol):
    """The codes of one event. Calls are made one after another, never at the same time.

    Every method may raise FientaUnavailable, FientaLoginFailed and FientaPageChanged, and what the caller's
    `check` raises; a write is read back before it returns.
    """

    async def list_codes(self) -> list[DiscountCode]:
        """All of them, oldest first."""
        ...

    async def read_code(self, code: str) -> DiscountCode:
        """Raises CodeNotFound."""
        ...

    async def create_code(self, new: NewDiscountCode) -> DiscountCode:
        """Raises CodeExists, FientaRefused."""
        ...

    async def rename_code(self, old: str, new: str) -> DiscountCode:
        """The same code under its new name; nothing else changes, and its id stays.

        Raises CodeNotFound for `old`, CodeExists when another code has the new name, FientaRefused.
        """
        ...

    async def update_code(self, code: str, change: DiscountChange) -> DiscountCode:
        """Raises CodeNotFound, FientaRefused. A change that changes nothing writes nothing."""
        ...

    async def delete_code(self, code: str) -> None:
        """Delete exactly this code. Raises CodeNotFound, FientaRefused for one that was used."""
        ...
