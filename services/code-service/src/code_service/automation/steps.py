"""One row at the ticket shop, done once however often it is tried: what is there is looked at first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from code_service.automation.planning.model import Action, PlannedRow
from code_service.fienta.port import (
    CodeExists,
    CodeNotFound,
    DiscountChange,
    DiscountCode,
    FientaDiscounts,
    FientaRowError,
    NewDiscountCode,
    normalised,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a row ended: `skipped` when the shop had it as wanted. `reason` for all but a plain `done`."""

    state: Literal["done", "skipped", "failed"]
    reason: str | None = None
    before: DiscountCode | None = None
    after: DiscountCode | None = None


async def perform(
    action: Action, row: PlannedRow, fienta: FientaDiscounts, *, was_begun: bool = False
) -> Outcome:
    """Do a row. `was_begun`: an earlier try may have done it, without being able to say so.

    What the port raises of errors that are not the row's own passes.
    """
    try:
        if action == "create":
            return await _create(row, fienta, was_begun)
        if action == "rename":
            return await _rename(row, fienta, was_begun)
        if action == "update":
            return await _update(row, fienta)
    except FientaRowError as error:
        return Outcome("failed", str(error))
    assert_never(action)


def new_code_of(row: PlannedRow) -> NewDiscountCode:
    """What is to be made; a limit of 0 is none."""
    assert row.discount is not None, "a plan refuses new codes without one"
    return NewDiscountCode(
        row.code, row.discount, row.limit_per_order or None, row.limit_per_ticket or None, row.title
    )


async def _create(row: PlannedRow, fienta: FientaDiscounts, was_begun: bool) -> Outcome:
    try:
        return Outcome("done", after=await fienta.create_code(new_code_of(row)))
    except CodeExists as error:
        found = error.existing
        if differences := _differences(row, found):
            return Outcome("failed", f"{error}, with {', '.join(differences)}", before=found)
        if was_begun:
            return Outcome("done", "was made by the try before", after=found)
        return Outcome("skipped", "Fienta has it already, as wanted", before=found, after=found)


def _differences(row: PlannedRow, found: DiscountCode) -> list[str]:
    wanted = new_code_of(row)
    return [
        text
        for is_other, text in (
            (found.discount != wanted.discount, f"{found.discount} off"),
            (found.limit_per_order != wanted.limit_per_order, f"{found.limit_per_order or 'no'} orders"),
            (found.limit_per_ticket != wanted.limit_per_ticket, f"{found.limit_per_ticket or 'no'} tickets"),
        )
        if is_other
    ]


async def _rename(row: PlannedRow, fienta: FientaDiscounts, was_begun: bool) -> Outcome:
    assert row.new_code is not None, "a plan refuses renaming without a name"
    try:
        return Outcome("done", after=await fienta.rename_code(row.code, row.new_code))
    except CodeNotFound as missing:
        # Either somebody renamed it before, or the try before did, or it was never there.
        if normalised(row.new_code) == normalised(row.code):
            raise
        try:
            found = await fienta.read_code(row.new_code)
        except CodeNotFound:
            raise missing from None
        if was_begun:
            return Outcome("done", "was renamed by the try before", after=found)
        why = f"Fienta has no code {row.code}, but {found.code}: it was renamed before"
        return Outcome("skipped", why, before=found, after=found)


async def _update(row: PlannedRow, fienta: FientaDiscounts) -> Outcome:
    change = DiscountChange(row.discount, row.limit_per_order, row.limit_per_ticket)
    found = await fienta.read_code(row.code)
    if change.applied_to(found) == found:
        return Outcome("skipped", "has these values already", before=found, after=found)
    return Outcome("done", before=found, after=await fienta.update_code(row.code, change))
