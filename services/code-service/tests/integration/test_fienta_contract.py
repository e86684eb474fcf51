"""What both adapters of Fienta's discount codes promise: the one in memory, and the browser on the pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import pytest
import pytest_asyncio

from code_service.fienta.memory import MemoryDiscounts
from code_service.fienta.port import (
    CodeExists,
    CodeNotFound,
    Discount,
    DiscountChange,
    DiscountCode,
    FientaDiscounts,
    FientaRefused,
    NewDiscountCode,
)
from tests.simulators.fienta.state import CURRENCY, PERCENT

from .fienta_kit import ZONE, Stage, open_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")
TEN = Discount.of_percent(10)
START = datetime(2026, 9, 12, 10, 45, tzinfo=ZONE)


class Adapter(Protocol):
    """How a test begins with codes that are there already."""

    def open(self, *codes: DiscountCode) -> FientaDiscounts: ...


class InMemory:
    def open(self, *codes: DiscountCode) -> FientaDiscounts:
        return MemoryDiscounts(codes)


@dataclass
class InBrowser:
    stage: Stage

    def open(self, *codes: DiscountCode) -> FientaDiscounts:
        for code in codes:
            is_share = code.discount.percent is not None
            self.stage.site.add(
                code.code,
                code.discount.value,
                PERCENT if is_share else CURRENCY,
                usage_limit=code.limit_per_order,
                ticket_limit=code.limit_per_ticket,
                title=code.title,
                orders=code.used,
            )
        return self.stage.worker()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage


@pytest.fixture(params=["memory", pytest.param("browser", marks=pytest.mark.chromium)])
def adapter(request: pytest.FixtureRequest) -> Adapter:
    if request.param == "memory":
        return InMemory()
    stage: Stage = request.getfixturevalue("stage")
    stage.site.clear()
    return InBrowser(stage)


def existing(code: str, discount: Discount = TEN, **fields: object) -> DiscountCode:
    """A code that is there already; codes of one test get ids and times in their order."""
    existing.made += 1  # type: ignore[attr-defined]
    number: int = existing.made  # type: ignore[attr-defined]
    found = DiscountCode(str(number), code, discount, 0, 1, 1, created_at=START + timedelta(minutes=number))
    return replace(found, **fields)  # type: ignore[arg-type]


existing.made = 0  # type: ignore[attr-defined]


async def names(fienta: FientaDiscounts) -> list[str]:
    return [found.code for found in await fienta.list_codes()]


async def test_an_event_without_codes_has_none(adapter: Adapter) -> None:
    assert await adapter.open().list_codes() == []


async def test_a_created_code_is_there_as_it_was_asked_for(adapter: Adapter) -> None:
    fienta = adapter.open()
    new = NewDiscountCode("SPRING-7", Discount.of_percent(40), limit_per_order=3, title="For guests")
    made = await fienta.create_code(new)
    assert (made.code, made.discount, made.used) == ("SPRING-7", Discount.of_percent(40), 0)
    assert (made.limit_per_order, made.limit_per_ticket, made.title) == (3, 1, "For guests")
    assert made.created_at is not None
    assert made.created_at.tzinfo is not None
    assert await fienta.read_code("SPRING-7") == made
    assert await fienta.list_codes() == [made]


async def test_amounts_and_parts_of_a_percent_are_kept(adapter: Adapter) -> None:
    fienta = adapter.open()
    amount = await fienta.create_code(NewDiscountCode("AMOUNT", Discount.of_amount(1250), None, None))
    assert amount.discount == Discount.of_amount(1250)
    assert (amount.limit_per_order, amount.limit_per_ticket) == (None, None)
    part = await fienta.create_code(NewDiscountCode("PART", Discount.of_percent("12.5")))
    assert part.discount == Discount.of_percent("12.50")


async def test_a_code_exists_in_whatever_case(adapter: Adapter) -> None:
    fienta = adapter.open(existing("Vip-1", limit_per_order=7))
    with pytest.raises(CodeExists) as refused:
        await fienta.create_code(NewDiscountCode("VIP-1", TEN))
    assert (refused.value.existing.code, refused.value.existing.limit_per_order) == ("Vip-1", 7)
    assert await names(fienta) == ["Vip-1"]


async def test_what_the_form_does_not_take_is_refused(adapter: Adapter) -> None:
    fienta = adapter.open(existing("A"))
    with pytest.raises(FientaRefused, match="letters"):
        await fienta.create_code(NewDiscountCode("two words", TEN))
    with pytest.raises(FientaRefused, match="letters"):
        await fienta.rename_code("A", "also two")
    with pytest.raises(FientaRefused):
        await fienta.create_code(NewDiscountCode("NONE", TEN, limit_per_order=0))
    with pytest.raises(FientaRefused):
        await fienta.update_code("A", DiscountChange(limit_per_ticket=-1))
    assert await names(fienta) == ["A"]


async def test_a_code_is_found_among_longer_ones(adapter: Adapter) -> None:
    fienta = adapter.open(existing("A"), *(existing(f"A{number:02}") for number in range(25)))
    assert (await fienta.read_code(" a ")).code == "A"
    with pytest.raises(CodeNotFound, match="A0"):
        await fienta.read_code("A0")


async def test_all_pages_are_listed_oldest_first(adapter: Adapter) -> None:
    codes = [existing(f"GUEST-{number:03}", used=number % 3) for number in range(45)]
    listed = await adapter.open(*codes).list_codes()
    assert [found.code for found in listed] == [code.code for code in codes]
    assert [found.used for found in listed] == [code.used for code in codes]
    assert len({found.id for found in listed}) == 45
    times = [found.created_at for found in listed]
    assert times == sorted(times, key=str)


async def test_a_renamed_code_keeps_everything_else(adapter: Adapter) -> None:
    fienta = adapter.open(existing("OLD-1", Discount.of_amount(500), used=2, limit_per_order=9, title="Crew"))
    before = await fienta.read_code("OLD-1")
    after = await fienta.rename_code("OLD-1", "MOB-001")
    assert after == replace(before, code="MOB-001")
    assert await fienta.list_codes() == [after]
    with pytest.raises(CodeNotFound):
        await fienta.read_code("OLD-1")


async def test_a_code_can_get_another_case(adapter: Adapter) -> None:
    fienta = adapter.open(existing("mob-1"))
    assert (await fienta.rename_code("mob-1", "MOB-1")).code == "MOB-1"
    assert (await fienta.rename_code("MOB-1", "MOB-1")).code == "MOB-1"
    assert await names(fienta) == ["MOB-1"]


async def test_a_code_cannot_take_the_name_of_another(adapter: Adapter) -> None:
    fienta = adapter.open(existing("ONE"), existing("TWO"))
    with pytest.raises(CodeExists) as refused:
        await fienta.rename_code("ONE", "two")
    assert refused.value.existing.code == "TWO"
    with pytest.raises(CodeNotFound, match="THREE"):
        await fienta.rename_code("THREE", "FOUR")
    assert await names(fienta) == ["ONE", "TWO"]


async def test_an_update_changes_what_it_names(adapter: Adapter) -> None:
    fienta = adapter.open(existing("CREW", limit_per_order=2, limit_per_ticket=4, used=1, title="Crew"))
    before = await fienta.read_code("CREW")
    cheaper = await fienta.update_code("CREW", DiscountChange(Discount.of_percent(0)))
    assert cheaper == replace(before, discount=Discount.of_percent(0))
    limited = await fienta.update_code("CREW", DiscountChange(limit_per_order=50, limit_per_ticket=0))
    assert limited == replace(cheaper, limit_per_order=50, limit_per_ticket=None)
    fixed = await fienta.update_code("crew", DiscountChange(Discount.of_amount(1999)))
    assert fixed == replace(limited, discount=Discount(amount_minor=1999))
    assert await fienta.update_code("CREW", DiscountChange(Discount.of_amount(1999))) == fixed
    assert await fienta.list_codes() == [fixed]
    with pytest.raises(CodeNotFound):
        await fienta.update_code("NONE", DiscountChange(TEN))


async def test_exactly_the_named_code_is_deleted(adapter: Adapter) -> None:
    fienta = adapter.open(existing("GONE"), existing("GONE-2"), existing("USED", used=1))
    await fienta.delete_code("gone")
    with pytest.raises(CodeNotFound):
        await fienta.delete_code("GONE")
    with pytest.raises(FientaRefused, match="used"):
        await fienta.delete_code("USED")
    assert await names(fienta) == ["GONE-2", "USED"]
