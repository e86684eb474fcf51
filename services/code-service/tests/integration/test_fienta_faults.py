"""What the browser does when Fienta, its session or its pages are not as they should be."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from code_service.fienta.browser import BrowserDiscounts, Pace
from code_service.fienta.port import (
    CodeExists,
    Discount,
    DiscountChange,
    FientaLoginFailed,
    FientaNotConfigured,
    FientaPageChanged,
    FientaRefused,
    FientaUnavailable,
    NewDiscountCode,
)

from .fienta_kit import Stage, open_stage

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.chromium]
NEW = NewDiscountCode("NEW-1", Discount.of_percent(25))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage


@pytest.fixture
def stage(opened: Stage) -> Stage:
    opened.reset()
    return opened


async def logged_in(stage: Stage, **options: object) -> BrowserDiscounts:
    worker = stage.worker(**options)  # type: ignore[arg-type]
    await worker.list_codes()
    return worker


async def test_a_wrong_password_is_tried_once_and_shown_nowhere(
    stage: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "wrong-horse&battery-8"
    with pytest.raises(FientaLoginFailed, match="do not match our records") as refused:
        await stage.worker(password=secret).list_codes()
    assert stage.site.hits["POST login"] == 1
    assert stage.kept.names == ["01-list_codes.html", "01-list_codes.png"]
    assert stage.kept.has_picture("list_codes")
    written = [str(refused.value), repr(refused.value), *capfd.readouterr()]
    written += [content.decode("latin-1") for content in stage.kept.files.values()]
    assert not [text for text in written if "horse" in text]


async def test_kept_pages_hold_no_tokens(stage: Stage) -> None:
    worker = await logged_in(stage)
    stage.site.faults.is_redesigned = True
    stage.page.set_default_timeout(300)
    with pytest.raises(FientaPageChanged):
        await worker.create_code(NEW)
    page = stage.kept.files["01-create_code.html"].decode()
    tokens = [session.csrf for session in stage.site.sessions.values()]
    assert not [token for token in tokens if token in page]
    assert 'name="_token" value="•••"' in page


@pytest.mark.parametrize("pages", [1, 2, 3])
async def test_a_session_that_ends_anywhere_in_a_creation_makes_one_code(stage: Stage, pages: int) -> None:
    worker = await logged_in(stage)
    stage.site.faults.expire_after = pages
    made = await worker.create_code(NEW)
    assert stage.site.logins == 2
    assert [row.code for row in stage.site.discounts.values()] == ["NEW-1"]
    assert made.discount == NEW.discount
    with pytest.raises(CodeExists):
        await worker.create_code(NEW)


async def test_a_session_that_ends_after_the_form_was_taken_is_no_failure(stage: Stage) -> None:
    """The answer to the form is lost, so that only a look at the list tells whether it was taken."""
    for code in ("OLD-1", "OLD-2"):
        stage.site.add(code)
    worker = await logged_in(stage)
    stage.site.faults.expire_after = 4
    assert (await worker.rename_code("OLD-1", "MOB-1")).code == "MOB-1"
    stage.site.faults.expire_after = 3
    await worker.delete_code("OLD-2")
    stage.site.faults.expire_after = 3
    changed = await worker.update_code("MOB-1", DiscountChange(Discount.of_percent(5)))
    assert changed.discount == Discount.of_percent(5)
    assert stage.site.logins == 4
    assert [row.code for row in stage.site.discounts.values()] == ["MOB-1"]


async def test_a_fault_of_the_site_is_told_and_passes(stage: Stage) -> None:
    worker = await logged_in(stage)
    stage.site.faults.broken = 1
    with pytest.raises(FientaUnavailable, match="500"):
        await worker.create_code(NEW)
    assert stage.kept.has_picture("create_code")
    assert (await worker.create_code(NEW)).code == "NEW-1"


async def test_a_site_that_is_away_is_told(stage: Stage) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(FientaUnavailable, match="ERR_CONNECTION_REFUSED"):
            await stage.worker(url=url).list_codes()


async def test_an_answer_that_does_not_come_ends_the_step(stage: Stage) -> None:
    worker = await logged_in(stage, pace=Pace(delay=0, operation=3))
    stage.site.faults.slow = 60
    with pytest.raises(FientaUnavailable, match=r"within 3 s"):
        await worker.list_codes()
    assert stage.kept.has_picture("list_codes")
    stage.site.faults.slow = 0
    assert await worker.list_codes() == []


@pytest.mark.parametrize("step", ["login", "list", "form"])
async def test_a_page_that_changed_is_not_guessed_at(stage: Stage, step: str) -> None:
    stage.site.add("KEPT")
    worker = stage.worker() if step == "login" else await logged_in(stage)
    stage.site.faults.is_redesigned = True
    stage.page.set_default_timeout(300)
    with pytest.raises(FientaPageChanged) as told:
        await (worker.create_code(NEW) if step == "form" else worker.list_codes())
    assert stage.site.password not in str(told.value)
    assert stage.kept.has_picture("create_code" if step == "form" else "list_codes")
    assert [row.code for row in stage.site.discounts.values()] == ["KEPT"]


async def test_a_list_that_is_blank_for_no_reason_is_not_an_empty_one(stage: Stage) -> None:
    stage.site.add("KEPT")
    worker = await logged_in(stage)
    stage.site.faults.is_list_blank = True
    for call in (worker.list_codes(), worker.read_code("KEPT"), worker.delete_code("KEPT")):
        with pytest.raises(FientaPageChanged, match="no rows"):
            await call
    assert [row.code for row in stage.site.discounts.values()] == ["KEPT"]


async def test_what_the_site_did_not_keep_is_told(stage: Stage) -> None:
    stage.site.add("A")
    worker = await logged_in(stage)
    stage.site.faults.is_forgetful = True
    for call in (
        worker.create_code(NEW),
        worker.rename_code("A", "B"),
        worker.update_code("A", DiscountChange(Discount.of_percent(1))),
        worker.delete_code("A"),
    ):
        with pytest.raises(FientaPageChanged, match="took the"):
            await call
    assert len([name for name in stage.kept.names if name.endswith(".png")]) == 4


async def test_a_name_that_is_taken_meanwhile_is_told(stage: Stage) -> None:
    stage.site.add("MINE")
    worker = await logged_in(stage)
    stage.site.faults.rival = "NEW-1"
    with pytest.raises(CodeExists) as told:
        await worker.create_code(NEW)
    assert told.value.existing.discount == Discount.of_percent(100)
    stage.site.faults.rival = "NEW-2"
    with pytest.raises(CodeExists):
        await worker.rename_code("MINE", "NEW-2")
    assert [row.code for row in stage.site.discounts.values()] == ["MINE", "NEW-1", "NEW-2"]


async def test_the_picture_of_a_refusal_shows_the_form(stage: Stage) -> None:
    with pytest.raises(FientaRefused, match="letters"):
        await stage.worker().create_code(NewDiscountCode("two words", Discount.of_percent(1)))
    assert stage.kept.has_picture("create_code")
    assert b"may only contain letters" in stage.kept.files["01-create_code.html"]


async def test_an_event_of_somebody_else_is_told(stage: Stage) -> None:
    with pytest.raises(FientaNotConfigured, match="event 42 is not one of this account's"):
        await stage.worker(event="42").list_codes()


class AskedToStop(Exception):  # noqa: N818
    """What a job raises when it was asked to stop."""


async def test_a_stop_is_felt_while_a_page_loads(stage: Stage) -> None:
    asked = asyncio.Event()

    def check() -> None:
        if asked.is_set():
            raise AskedToStop

    worker = await logged_in(stage, check=check)
    stage.site.faults.slow = 60
    running = asyncio.ensure_future(worker.list_codes())
    await asyncio.wait({running}, timeout=0.3)
    assert not running.done()
    asked.set()
    done, _ = await asyncio.wait({running}, timeout=20)
    assert done
    assert isinstance(running.exception(), AskedToStop)
    assert stage.kept.names == []
    with pytest.raises(AskedToStop):
        await worker.list_codes()


async def test_operations_keep_their_distance(stage: Stage) -> None:
    worker = stage.worker(pace=Pace(delay=0.2))
    loop = asyncio.get_running_loop()
    await worker.list_codes()
    began = loop.time()
    await worker.list_codes()
    assert loop.time() - began >= 0.2
