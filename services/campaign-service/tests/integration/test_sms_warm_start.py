"""Numbers that are new send few texts of campaigns a day, more on each that follows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from campaign_service.sms.twilio import Twilio
from campaign_service.sms.worker import Lane

from .campaigns_kit import Kit
from .sms_kit import NUMBER, Phones, open_phones

OTHER = "+15005550007"
DAY = 86_400


@pytest.fixture
async def phones(lone_kit: Kit) -> AsyncIterator[Phones]:
    new = {"number": NUMBER, "warm_start": {"first_day": 2, "growth": 1.5}}
    async with open_phones(lone_kit, numbers=[new]) as opened:
        yield opened


async def numbers(phones: Phones) -> dict[str, tuple[int, int | None]]:
    """Number to (sent today, at most)."""
    settings: dict[str, Any] = await phones.get(f"/api/v2/sending/{phones.kit.tenant}/sms")
    return {row["number"]: (row["sent_today"], row["most_today"]) for row in settings["numbers"]}


async def test_a_new_number_sends_more_from_day_to_day(phones: Phones) -> None:
    for _ in range(10):
        await phones.person()
    assert await numbers(phones) == {NUMBER: (0, 2)}
    campaign = await phones.campaign()
    sent = []
    for _ in range(4):
        before = len(phones.twilio.texts)
        await phones.drain()
        sent.append(len(phones.twilio.texts) - before)
        phones.kit.clock.advance(DAY)
    assert sent == [2, 3, 4, 1]
    assert (await phones.kit.ok("GET", f"/{campaign}"))["status"] == "sent"
    assert len({text.to for text in phones.twilio.texts}) == 10


async def test_a_campaign_that_waits_for_tomorrow_says_so(phones: Phones) -> None:
    for _ in range(6):
        await phones.person()
    campaign = await phones.campaign()
    await phones.drain()
    waiting = await phones.kit.ok("GET", f"/{campaign}")
    assert (waiting["status"], await numbers(phones)) == ("sending", {NUMBER: (2, 2)})
    assert waiting["status_reason"] == "its new numbers have sent what they may today"
    assert set((await phones.states(campaign)).values()) == {"accepted", "queued"}
    phones.kit.clock.advance(DAY)
    assert await numbers(phones) == {NUMBER: (0, 3)}
    await phones.drain()
    assert await numbers(phones) == {NUMBER: (3, 3)}
    phones.kit.clock.advance(DAY)
    await phones.drain()
    done = await phones.kit.ok("GET", f"/{campaign}")
    assert (done["status"], done["status_reason"]) == ("sent", None)


async def test_a_process_started_overnight_no_longer_says_that_the_campaign_waits(phones: Phones) -> None:
    for _ in range(6):
        await phones.person()
    campaign = await phones.campaign()
    await phones.drain()
    phones.kit.clock.advance(DAY)
    twilio = Twilio(phones.twilio.address, 5.0)
    try:
        assert await Lane(phones.kit.runtime, twilio, asyncio.Event()).work_once()
    finally:
        await twilio.close()
    going = await phones.kit.ok("GET", f"/{campaign}")
    assert (going["status"], going["status_reason"]) == ("sending", None)


async def test_a_day_without_texts_warms_nothing(phones: Phones) -> None:
    for _ in range(6):
        await phones.person()
    phones.kit.clock.advance(10 * DAY)
    await phones.campaign()
    await phones.drain()
    assert len(phones.twilio.texts) == 2
    phones.kit.clock.advance(10 * DAY)
    await phones.drain()
    assert len(phones.twilio.texts) == 5


async def test_other_numbers_and_other_texts_are_not_held_back(phones: Phones) -> None:
    new = {"number": NUMBER, "warm_start": {"first_day": 1}}
    await phones.set_up(numbers=[new, {"number": OTHER}])
    for _ in range(5):
        await phones.person()
    await phones.campaign()
    await phones.drain()
    assert Counter(text.sender for text in phones.twilio.texts) == {NUMBER: 1, OTHER: 4}
    assert (await numbers(phones))[OTHER] == (4, None)
    path = f"/api/v2/messages/{phones.kit.tenant}"
    await phones.set_up(numbers=[new])
    body = {"channel": "sms", "to": {"phone": "+12025550155"}, "text": "Your pin is 1234"}
    answer = await phones.kit.request("POST", path, json=body)
    assert answer.status_code == 202, answer.text
    await phones.drain()
    assert phones.twilio.bodies("+12025550155") == ["Your pin is 1234"]
    assert await numbers(phones) == {NUMBER: (1, 1)}
