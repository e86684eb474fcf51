"""The client's small parts: shared requests, groups of tasks, bodies and headers as portals write them."""

import asyncio
import base64

import pytest

from campaign_service.netlife.errors import PortalContractError
from campaign_service.netlife.http import _parse, _seconds, _TryAgainError, basic_credentials
from campaign_service.netlife.memo import Memo
from campaign_service.netlife.stats import PortalStats
from campaign_service.netlife.tasks import all_of


async def test_one_who_gives_up_leaves_the_answer_to_the_others() -> None:
    memo: Memo[str] = Memo()
    release = asyncio.Event()
    calls = []

    async def fetch() -> str:
        calls.append(1)
        await release.wait()
        return "answer"

    first = asyncio.create_task(memo.get("key", fetch))
    second = asyncio.create_task(memo.get("key", fetch))
    await asyncio.sleep(0)
    first.cancel()
    release.set()
    assert await second == "answer"
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await memo.get("key", fetch) == "answer"
    assert len(calls) == 1


async def test_what_is_under_way_ends_with_the_cache() -> None:
    memo: Memo[None] = Memo()

    async def fetch() -> None:
        await asyncio.Event().wait()

    waiting = asyncio.create_task(memo.get("key", fetch))
    await asyncio.sleep(0)
    await memo.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_the_first_failure_stops_the_others_and_is_raised_as_it_is() -> None:
    stopped = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(1)
            raise

    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        await all_of([wait(), fail(), wait()])
    assert len(stopped) == 2


async def test_results_come_in_order() -> None:
    async def later(value: int) -> int:
        await asyncio.sleep(0.01 / (value + 1))
        return value

    assert await all_of(later(value) for value in range(5)) == [0, 1, 2, 3, 4]


def test_bodies_are_read_whatever_is_around_them() -> None:
    assert _parse(b'\xef\xbb\xbf {"a": "\xc3\xa9"}\r\n') == {"a": "é"}
    assert _parse(b"") is None
    for broken in (b'{"a": [1, 2', b"<html></html>", b"\xff\xfe", b"[" * 100_000):
        with pytest.raises(_TryAgainError):
            _parse(broken)


def test_waiting_times_are_never_negative_nor_unknown() -> None:
    assert _seconds(" 12 ") == 12
    assert _seconds("Wed, 01 Jan 2020 00:00:00 GMT") == 0
    assert _seconds("Wed, 01 Jan 2020 00:00:00") == 0
    assert _seconds("-5") == _seconds("") == _seconds("a while") == 1


def test_credentials_may_hold_any_letter_but_no_colon_in_the_name() -> None:
    header = basic_credentials("zoé", "pass:wörd")
    assert base64.b64decode(header.removeprefix("Basic ")).decode() == "zoé:pass:wörd"
    with pytest.raises(PortalContractError):
        basic_credentials("a:b", "c")


def test_a_portal_that_fails_a_thousand_times_fills_no_memory() -> None:
    stats = PortalStats("p", "Unknown")
    for number in range(1000):
        stats.note_error(f"job {number}")
    assert len(stats.summary()["errors"]) == 100
