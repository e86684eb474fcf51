"""Fienta's pages, step by step: going somewhere, logging in, reading the list, filling a form."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

from playwright.async_api import Error, Page, Response
from playwright.async_api import TimeoutError as PageTimeout

from code_service.fienta import selectors
from code_service.fienta.parsing import parse_row
from code_service.fienta.port import (
    CodeNotFound,
    Discount,
    DiscountCode,
    FientaLoginFailed,
    FientaNotConfigured,
    FientaPageChanged,
    FientaRefused,
    FientaUnavailable,
)

_MAX_PAGES = 2000
_SESSION_ENDED = (401, 419)
_TEXT_LENGTH = 300
_LOADS = 10
_SETTLE_SECONDS = 0.2
_INTERRUPTED = "interrupted by another navigation"


class SessionEnded(Exception):  # noqa: N818
    """Fienta wants a new login. Whether the last form was taken is not known."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in, and for which event. Its text never shows the password."""

    email: str
    password: str = field(repr=False)
    event: str


@dataclass(frozen=True, slots=True)
class FormValues:
    """What to type; None leaves a field as it is, an empty text clears it."""

    code: str | None = None
    discount: Discount | None = None
    limit_per_order: str | None = None
    limit_per_ticket: str | None = None
    title: str | None = None


class FientaSite:
    """One page of one browser. `wait` is how many seconds an element may take once its page is there.

    `has_sent` tells that a form for a discount code was sent, whatever became of it.
    """

    def __init__(self, page: Page, base_url: str, event: str, zone: ZoneInfo, wait: float) -> None:
        page.set_default_timeout(wait * 1000)
        # How long a whole page may take is for the caller, who ends the step.
        page.set_default_navigation_timeout(0)
        self.page = page
        self.has_sent = False
        self._base = base_url.rstrip("/")
        self._event = event
        self._zone = zone

    async def log_in(self, account: Account) -> None:
        """Raises FientaLoginFailed when e-mail address and password are not accepted."""
        await self._go(selectors.LOGIN_PATH)
        if not self._path().startswith(selectors.AUTH_PATHS):
            return
        try:
            await self.page.fill(selectors.LOGIN_EMAIL, account.email)
            await self.page.fill(selectors.LOGIN_PASSWORD, account.password)
        except Error as error:
            raise self._fault(error, "the login page") from None
        await self._submit(selectors.LOGIN_SUBMIT, "the login page")
        if self._path().startswith(selectors.AUTH_PATHS):
            raise FientaLoginFailed(await self._refusal() or "Fienta asks for more than a password")

    async def pages(self, search: str = "") -> AsyncGenerator[list[DiscountCode], None]:
        """The list page by page, in the page's order; all of it without `search`."""
        target: str | None = selectors.list_path(self._event, search)
        seen: set[str] = set()
        while target is not None:
            if target in seen or len(seen) >= _MAX_PAGES:
                raise FientaPageChanged("the pages of the list lead in a circle")
            seen.add(target)
            await self._go_inside(target)
            rows, target = await self._rows()
            yield rows

    async def open_form(self, found: DiscountCode | None) -> None:
        """The form for a new code, or that of an existing one."""
        path = selectors.edit_path(self._event, found.id) if found else selectors.create_path(self._event)
        try:
            await self._go_inside(path)
        except FientaNotConfigured:
            if found is None:
                raise
            raise CodeNotFound(found.code) from None

    async def fill(self, values: FormValues) -> None:
        """Type into the open form."""
        typed = (
            (selectors.FORM_CODE, values.code),
            (selectors.FORM_AMOUNT, values.discount.value if values.discount else None),
            (selectors.FORM_ORDER_LIMIT, values.limit_per_order),
            (selectors.FORM_TICKET_LIMIT, values.limit_per_ticket),
            (selectors.FORM_TITLE, values.title),
        )
        try:
            if values.discount is not None:
                is_share = values.discount.percent is not None
                await self.page.click(selectors.FORM_PERCENT if is_share else selectors.FORM_CURRENCY)
            for selector, text in typed:
                if text is not None:
                    await self.page.fill(selector, text)
        except Error as error:
            raise self._fault(error, "the form of a discount code") from None

    async def save(self) -> None:
        """Send the open form. Raises FientaRefused with what the page says."""
        problem = await self._incomplete()
        if problem:
            raise FientaRefused(problem)
        self.has_sent = True
        await self._submit(selectors.FORM_SUBMIT, "the form of a discount code")
        await self._check_taken()

    async def delete(self) -> None:
        """Delete the code whose form is open, and say yes to the page's question."""
        self.page.once("dialog", lambda dialog: dialog.accept())
        self.has_sent = True
        await self._submit(selectors.DELETE, "the form of a discount code")
        await self._check_taken()

    async def _rows(self) -> tuple[list[DiscountCode], str | None]:
        table = self.page.locator(selectors.LIST_TABLE)
        try:
            await table.or_(self.page.locator(selectors.LIST_EMPTY)).first.wait_for()
            if not await table.count():
                return [], None
            rows = await table.first.evaluate(selectors.READ_ROWS)
            following = await self.page.locator(selectors.LIST_NEXT).evaluate_all(
                "links => links.map(link => link.getAttribute('href'))"
            )
        except Error as error:
            raise self._fault(error, "the list of discount codes") from None
        if not rows:
            raise FientaPageChanged("the list has no rows and does not say that it is empty")
        codes = [parse_row(row, self._zone) for row in rows]
        return codes, self._below(following[0]) if following else None

    def _below(self, href: str) -> str:
        """A link's path, if it stays on this site."""
        target = urlsplit(urljoin(self.page.url, href))
        if f"{target.scheme}://{target.netloc}" != self._origin():
            raise FientaPageChanged("the list leads to another site")
        return target.path + (f"?{target.query}" if target.query else "")

    async def _go_inside(self, path: str) -> None:
        """Go where one must be logged in."""
        response = await self._go(path)
        if self._path().startswith(selectors.AUTH_PATHS):
            raise SessionEnded
        if response is not None and response.status in (403, 404):
            raise FientaNotConfigured(f"event {self._event} is not one of this account's")

    async def _go(self, path: str) -> Response | None:
        try:
            response = await self._load(path)
        except Error as error:
            raise _unreachable(error) from None
        self._check_status(response)
        return response

    async def _load(self, path: str) -> Response | None:
        for _ in range(_LOADS):
            try:
                return await self.page.goto(self._base + path, wait_until="domcontentloaded")
            except Error as error:
                # What was loaded before, given up, has not come to rest yet.
                if _INTERRUPTED not in error.message:
                    raise
            await asyncio.sleep(_SETTLE_SECONDS)
        return await self.page.goto(self._base + path, wait_until="domcontentloaded")

    async def _submit(self, selector: str, where: str) -> None:
        """Click, and wait for the page that follows."""
        try:
            button = self.page.locator(selector).first
            await button.wait_for(state="visible")
        except Error as error:
            raise self._fault(error, where) from None
        try:
            async with self.page.expect_navigation(wait_until="domcontentloaded") as following:
                await button.click(no_wait_after=True)
            self._check_status(await following.value)
        except PageTimeout as error:
            raise self._fault(error, where) from None
        except Error as error:
            raise _unreachable(error) from None

    def _check_status(self, response: Response | None) -> None:
        if response is None:
            return
        if response.status in _SESSION_ENDED:
            raise SessionEnded
        if response.status == 429 or response.status >= 500:
            raise FientaUnavailable(f"Fienta answers with status {response.status}")

    async def _incomplete(self) -> str:
        """What the browser itself will not send, in its words."""
        try:
            fields = self.page.locator(selectors.FORM_INVALID)
            return str(await fields.first.evaluate(selectors.READ_PROBLEM)) if await fields.count() else ""
        except Error as error:
            raise self._fault(error, "the form of a discount code") from None

    async def _check_taken(self) -> None:
        if self._path().startswith(selectors.AUTH_PATHS):
            raise SessionEnded
        refusal = await self._refusal()
        if refusal:
            raise FientaRefused(refusal)

    async def _refusal(self) -> str:
        texts = await self.page.locator(selectors.REFUSALS).all_inner_texts()
        return " ".join(" ".join(texts).split())[:_TEXT_LENGTH]

    def _path(self) -> str:
        return urlsplit(self.page.url).path

    def _origin(self) -> str:
        parts = urlsplit(self._base)
        return f"{parts.scheme}://{parts.netloc}"

    def _fault(self, error: Error, where: str) -> Exception:
        """What an element that is not there means. The driver's own text repeats what was typed: left out."""
        if isinstance(error, PageTimeout):
            return FientaPageChanged(
                f"{where} is not as this program knows it ({urlsplit(self.page.url).path})"
            )
        return FientaUnavailable(f"{where} could not be used: the browser or the page is gone")


def _unreachable(error: Error) -> FientaUnavailable:
    first = error.message.splitlines()[0]
    found = [word for word in first.replace(" ", "\n").splitlines() if word.startswith("net::")]
    return FientaUnavailable(f"Fienta cannot be reached ({found[0] if found else type(error).__name__})")
