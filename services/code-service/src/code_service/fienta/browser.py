"""Discount codes through Fienta's own pages, in a real browser."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from playwright.async_api import Error

from code_service.fienta import selectors
from code_service.fienta.evidence import Evidence
from code_service.fienta.port import (
    CodeExists,
    CodeNotFound,
    DiscountChange,
    DiscountCode,
    FientaError,
    FientaPageChanged,
    FientaRefused,
    FientaUnavailable,
    NewDiscountCode,
    normalised,
)
from code_service.fienta.site import Account, FientaSite, FormValues, SessionEnded
from code_service.fienta.waiting import Check, within
from shared.utils.logging import logger

_LOOK_SECONDS = 15.0
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

T = TypeVar("T")
Step = Callable[[], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between operations, for one operation, for the login."""

    delay: float = 0.5
    operation: float = 180.0
    login: float = 180.0


class BrowserDiscounts:
    """The port on the pages of one event. `check` is asked while anything is waited for; what it raises ends
    the operation at once.
    """

    def __init__(
        self, site: FientaSite, account: Account, evidence: Evidence, pace: Pace, check: Check
    ) -> None:
        self._site = site
        self._account = account
        self._evidence = evidence
        self._pace = pace
        self._check = check
        self._is_logged_in = False
        self._is_first = True

    async def list_codes(self) -> list[DiscountCode]:
        return await self._run("list_codes", lambda: self._all())

    async def read_code(self, code: str) -> DiscountCode:
        return await self._run("read_code", lambda: self._read(code))

    async def create_code(self, new: NewDiscountCode) -> DiscountCode:
        return await self._run("create_code", lambda: self._create(new))

    async def rename_code(self, old: str, new: str) -> DiscountCode:
        return await self._run("rename_code", lambda: self._rename(old, new.strip()))

    async def update_code(self, code: str, change: DiscountChange) -> DiscountCode:
        return await self._run("update_code", lambda: self._update(code, change))

    async def delete_code(self, code: str) -> None:
        await self._run("delete_code", lambda: self._delete(code))

    # How a step is run

    async def _run(self, name: str, step: Step[T]) -> T:
        await self._rest()
        self._site.has_sent = False
        try:
            return await self._logged_in(step)
        except (CodeExists, CodeNotFound):
            raise
        except FientaError as error:
            logger.warning("a step at Fienta failed", step=name, error=str(error))
            await self._look(name)
            raise
        except Error:
            await self._look(name)
            raise FientaUnavailable("the browser or the page is gone") from None

    async def _logged_in(self, step: Step[T]) -> T:
        """Run the step; log in before it where needed, and once more when the session ends in the middle."""
        if self._is_logged_in:
            with contextlib.suppress(SessionEnded):
                return await self._within(self._pace.operation, step())
            logger.info("the session at Fienta has ended; logging in again")
        self._is_logged_in = False
        try:
            await self._within(self._pace.login, self._site.log_in(self._account))
            answer = await self._within(self._pace.operation, step())
        except SessionEnded:
            raise FientaUnavailable("Fienta ends each session at once") from None
        self._is_logged_in = True
        return answer

    async def _within(self, seconds: float, work: Awaitable[T]) -> T:
        return await within(seconds, self._check, work)

    async def _look(self, name: str) -> None:
        """Keep what there is to see of a failure, which matters more than a picture that cannot be taken."""
        with contextlib.suppress(FientaUnavailable):
            await self._within(_LOOK_SECONDS, self._evidence.take(self._site.page, name))

    async def _rest(self) -> None:
        """Keep the pace that Fienta is promised; it also makes a stop felt between steps."""
        self._check()
        if not self._is_first:
            await self._within(self._pace.delay + 1, asyncio.sleep(self._pace.delay))
        self._is_first = False

    # What the steps are

    async def _all(self) -> list[DiscountCode]:
        found: dict[str, DiscountCode] = {}
        async for rows in self._site.pages():
            found.update((row.id, row) for row in rows)
            await asyncio.sleep(self._pace.delay)
        return sorted(found.values(), key=_age)

    async def _find(self, code: str) -> DiscountCode | None:
        wanted = normalised(code)
        async with contextlib.aclosing(self._site.pages(search=code.strip())) as pages:
            async for rows in pages:
                for row in rows:
                    if normalised(row.code) == wanted:
                        return row
        return None

    async def _read(self, code: str) -> DiscountCode:
        found = await self._find(code)
        if found is None:
            raise CodeNotFound(code)
        return found

    async def _create(self, new: NewDiscountCode) -> DiscountCode:
        wanted = _as_made(new)
        found = await self._find(new.code)
        if found is not None:
            if self._site.has_sent and _same(found, wanted):
                return found
            raise CodeExists(found)
        await self._site.open_form(None)
        await self._site.fill(
            FormValues(
                code=wanted.code,
                discount=wanted.discount,
                limit_per_order=_limit(wanted.limit_per_order),
                limit_per_ticket=_limit(wanted.limit_per_ticket),
                title=wanted.title,
            )
        )
        await self._save(wanted.code)
        return await self._kept(wanted)

    async def _rename(self, old: str, new: str) -> DiscountCode:
        found, taken = await self._find(old), None
        if normalised(old) != normalised(new):
            taken = await self._find(new)
        if found is None:
            if self._site.has_sent and taken is not None:
                return taken
            raise CodeNotFound(old)
        if taken is not None:
            raise CodeExists(taken)
        if found.code == new:
            return found
        await self._site.open_form(found)
        await self._site.fill(FormValues(code=new))
        await self._save(new)
        return await self._kept(replace(found, code=new))

    async def _update(self, code: str, change: DiscountChange) -> DiscountCode:
        found = await self._read(code)
        wanted = change.applied_to(found)
        if wanted == found:
            return found
        await self._site.open_form(found)
        await self._site.fill(
            FormValues(
                discount=change.discount,
                limit_per_order=_changed(found.limit_per_order, wanted.limit_per_order),
                limit_per_ticket=_changed(found.limit_per_ticket, wanted.limit_per_ticket),
            )
        )
        await self._site.save()
        return await self._kept(wanted)

    async def _delete(self, code: str) -> None:
        found = await self._find(code)
        if found is None:
            if self._site.has_sent:
                return
            raise CodeNotFound(code)
        await self._site.open_form(found)
        await self._site.delete()
        if await self._find(code) is not None:
            raise FientaPageChanged(f"Fienta took the deletion of {code} and did not do it")

    async def _save(self, code: str) -> None:
        """Send a form with a new name; somebody may have taken that name a moment ago."""
        try:
            await self._site.save()
        except FientaRefused as refused:
            says_taken = any(word in str(refused).lower() for word in selectors.TAKEN)
            taken = await self._find(code) if says_taken else None
            if taken is None:
                raise
            raise CodeExists(taken) from None

    async def _kept(self, wanted: DiscountCode) -> DiscountCode:
        """Read back what was written. Raises FientaPageChanged when it is not what was wanted."""
        kept = await self._find(wanted.code)
        if kept is None or not _same(kept, wanted):
            raise FientaPageChanged(f"Fienta took the form of {wanted.code} and did not keep what it said")
        return kept


def _as_made(new: NewDiscountCode) -> DiscountCode:
    """The code as it will be; its id is not known yet."""
    return DiscountCode(
        id="",
        code=new.code.strip(),
        discount=new.discount,
        limit_per_order=new.limit_per_order,
        limit_per_ticket=new.limit_per_ticket,
        title=new.title.strip(),
    )


def _same(found: DiscountCode, wanted: DiscountCode) -> bool:
    """Whether all that we write is as wanted; use may have gone on meanwhile."""
    if wanted.id and found.id != wanted.id:
        return False
    return replace(wanted, id=found.id, used=found.used, created_at=found.created_at) == found


def _limit(limit: int | None) -> str:
    return "" if limit is None else str(limit)


def _changed(found: int | None, wanted: int | None) -> str | None:
    return None if found == wanted else _limit(wanted)


def _age(code: DiscountCode) -> tuple[datetime, int, str]:
    """Oldest first. The pages show minutes, so that ids decide among codes of one minute."""
    return (code.created_at or _LONG_AGO, int(code.id) if code.id.isdigit() else 0, code.id)
