"""Campaigns by SMS with codes and links from code-service: every text with its own, whatever is lost."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from campaign_service.campaigns.holds import worker as holds
from campaign_service.consumers import CONSUMERS
from campaign_service.sms.links.rewriting import SAMPLE_ID
from campaign_service.sms.twilio import Twilio
from campaign_service.sms.worker import Lane
from shared.events import Event
from shared.events.consumer import Dispatcher
from shared.events.transports.base import Delivery, Retry
from shared.testing import TokenMint
from tests.integration.two_services import Pair, two_services
from tests.simulators.twilio import AUTH_TOKEN, SID, TwilioSimulator, running

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SHORT = re.compile(r"http://localhost:8000/l/\w{7}")


@dataclass
class Desk:
    """One tenant's texts, codes and links."""

    pair: Pair
    twilio: TwilioSimulator
    lane: Lane

    async def people(self, number: int) -> list[str]:
        numbers = [f"+1202555{place + 100:04d}" for place in range(number)]
        for phone in numbers:
            await self.pair.data(
                self.pair.campaigns,
                "POST",
                "/api/v2/contacts",
                {"phone": phone, "custom_fields": {"sms_marketing_consent": "yes"}},
            )
        return numbers

    async def fill(self, *names: str) -> None:
        for name in names:
            await self.pair.data(self.pair.codes, "POST", "/codes", {"code": name, "pool": "spring"})

    async def draft(self, text: str, **fields: Any) -> str:
        body = {"name": "Spring", "channel": "sms", "sms_text": text, **fields}
        made = await self.pair.data(self.pair.campaigns, "POST", "/api/v2/campaigns", body)
        return str(made["id"])

    async def of(self, campaign: str, method: str, path: str = "", body: Any = None) -> Any:
        path = f"/api/v2/campaigns/{self.pair.tenant}/{campaign}{path}"
        return await self.pair.data(self.pair.campaigns, method, path, body)

    async def started(self, text: str, **fields: Any) -> str:
        campaign = await self.draft(text, **fields)
        await self.of(campaign, "POST", "/send")
        return campaign

    async def drain(self) -> None:
        """Hand out codes and send until nothing is due."""
        await holds.once(self.pair.campaigns_app.state.runtime)
        while await self.lane.work_once() or self.lane.is_busy:
            pass

    async def codes(self, status: str) -> set[str]:
        found = await self.pair.data(self.pair.codes, "GET", f"/codes?status={status}&limit=200")
        return {code["code"] for code in found}

    async def visit(self, address: str, visitor: str, agent: str = BROWSER) -> httpx.Response:
        headers = {"User-Agent": agent, "X-Forwarded-For": visitor}
        return await self.pair.codes.get(httpx.URL(address).raw_path.decode(), headers=headers)

    async def pass_clicks_on(self) -> None:
        """What code-service tells of clicks, to campaign-service."""
        consumer = next(c for c in CONSUMERS if "code.link.clicked.v1" in c.types)
        runtime = self.pair.codes_app.state.runtime
        await runtime.extras["clicks"]._flush()
        async with runtime.db.system_tx() as tx:
            rows = await tx.fetch("DELETE FROM outbox WHERE type = 'code.link.clicked.v1' RETURNING *")
        dispatch = Dispatcher(consumer, self.pair.db, self.pair.campaigns_app.state.runtime)
        for row in sorted(rows, key=lambda row: row["id"]):
            names = ("id", "type", "tenant_id", "data")
            said = {name: row[name] for name in names} | {"time": row["occurred_at"]}
            event = Event(source="/code-service", **said)
            for _ in range(2):
                outcome = await dispatch(Delivery(event, 0))
                assert not isinstance(outcome, Retry), outcome.error


@pytest.fixture
async def desk(
    database_dsn: str, mint: TokenMint, tenant_a: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        pair = await stack.enter_async_context(two_services(database_dsn, mint, tenant_a, tmp_path))
        monkeypatch.setenv("CODE_SERVICE_URL", pair.url)
        await pair.codes_app.state.runtime.events._relay.stop()
        simulator = await stack.enter_async_context(running(TwilioSimulator()))
        twilio = Twilio(simulator.address, 5.0)
        stack.push_async_callback(twilio.close)
        settings = {
            "account_sid": SID,
            "auth_token": AUTH_TOKEN,
            "numbers": [{"number": "+15005550006"}],
            "rate_per_sender": 1000,
            "quiet_hours": None,
            "prices": {"currency": "USD", "default": 10_000},
        }
        await pair.data(pair.campaigns, "PUT", f"/api/v2/sending/{tenant_a}/sms", settings)
        yield Desk(pair, simulator, Lane(pair.campaigns_app.state.runtime, twilio, asyncio.Event()))


async def test_every_text_carries_a_code_of_its_own(desk: Desk) -> None:
    numbers = await desk.people(4)
    await desk.fill("GIFT-1", "GIFT-2", "GIFT-3", "GIFT-4", "GIFT-5")
    campaign = await desk.started("Your code: {{ code }}. STOP to end", code_pool="spring")
    await desk.drain()
    bodies = [body for number in numbers for body in desk.twilio.bodies(number)]
    sent = [body.removeprefix("Your code: ").removesuffix(". STOP to end") for body in bodies]
    assert len(set(sent)) == len(sent) == 4
    assert set(sent) == await desk.codes("allocated")
    assert (await desk.of(campaign, "GET"))["status"] == "sent"


async def test_no_text_goes_before_its_code_is_there(desk: Desk) -> None:
    await desk.people(3)
    await desk.fill("GIFT-1")
    campaign = await desk.started("Your code: {{ code }}", code_pool="spring")
    found = (await desk.of(campaign, "GET", "/preflight"))["checks"]
    [told] = [check for check in found if check["name"] == "codes"]
    assert (told["status"], told["message"]) == ("warning", "The pool spring has 1 free codes for 3 people")
    await desk.drain()
    await desk.drain()
    assert [text.body for text in desk.twilio.texts] == ["Your code: GIFT-1"]
    waiting = await desk.of(campaign, "GET")
    assert waiting["status"] == "sending"
    assert "no free code" in waiting["status_reason"]
    await desk.fill("GIFT-2", "GIFT-3")
    desk.pair.clock.advance(31)
    await desk.drain()
    assert len({text.body for text in desk.twilio.texts}) == 3
    assert (await desk.of(campaign, "GET"))["status"] == "sent"


async def test_a_code_whose_text_was_never_sent_goes_back(desk: Desk) -> None:
    ann, bob = await desk.people(2)
    await desk.fill("GIFT-1", "GIFT-2")
    await desk.started("Your code: {{ code }}", code_pool="spring")
    await holds.once(desk.pair.campaigns_app.state.runtime)
    suppression = {"address": ann, "channel": "sms"}
    await desk.pair.data(desk.pair.campaigns, "POST", f"/api/v2/suppressions/{desk.pair.tenant}", suppression)
    await desk.drain()
    await holds.once(desk.pair.campaigns_app.state.runtime)
    (kept,) = await desk.codes("allocated")
    assert desk.twilio.bodies(bob) == [f"Your code: {kept}"]
    assert desk.twilio.bodies(ann) == []


async def test_a_text_that_may_have_gone_keeps_its_code(desk: Desk) -> None:
    await desk.people(1)
    await desk.fill("GIFT-1")
    desk.twilio.faults = ["500"]
    campaign = await desk.started("Your code: {{ code }}", code_pool="spring")
    await desk.drain()
    assert [row["state"] for row in await desk.of(campaign, "GET", "/recipients")] == ["ambiguous"]
    await holds.once(desk.pair.campaigns_app.state.runtime)
    assert await desk.codes("allocated") == {"GIFT-1"}


async def test_parts_are_counted_with_codes_as_long_as_the_pools(desk: Desk) -> None:
    await desk.people(2)
    text = "x" * 140 + "{{ code }}"
    short = await desk.draft(text, code_pool="spring")
    assert (await desk.of(short, "GET", "/audience"))["sms"]["segments"] == 2
    await desk.fill("A-CODE-THAT-IS-LONGER", "GIFT-1")
    assert (await desk.of(short, "GET", "/audience"))["sms"]["segments"] == 4
    shown = await desk.of(short, "GET", "/preview")
    assert shown["text"].endswith("A-CODE-THAT-IS-LONGER")
    assert shown["sms"]["segments"] == 2


async def test_links_become_short_ones_of_the_tenant(desk: Desk) -> None:
    numbers = await desk.people(2)
    text = "See https://shop.test/spring?a=1. Or https://shop.test/all and https://shop.test/{{ phone }}"
    campaign = await desk.draft(text)
    expected = await desk.of(campaign, "GET", "/preview")
    assert expected["text"].startswith(f"See http://localhost:8000/l/{SAMPLE_ID}. Or http://localhost")
    await desk.of(campaign, "POST", "/send")
    await desk.drain()
    (body,) = desk.twilio.bodies(numbers[0])
    assert len(body) == len(expected["text"])
    spring, every = SHORT.findall(body)
    assert body == f"See {spring}. Or {every} and https://shop.test/{numbers[0]}"
    assert desk.twilio.bodies(numbers[1]) == [body.replace(numbers[0], numbers[1])]
    answer = await desk.visit(spring, "192.0.2.1")
    assert answer.headers["location"] == "https://shop.test/spring?a=1"
    listed = await desk.pair.data(desk.pair.codes, "GET", "/links")
    assert sorted(link["url"] for link in listed) == ["https://shop.test/all", "https://shop.test/spring?a=1"]


async def test_clicks_count_for_the_campaign(desk: Desk) -> None:
    await desk.people(2)
    campaign = await desk.started("https://shop.test/one https://shop.test/two")
    await desk.drain()
    one, two = SHORT.findall(desk.twilio.texts[0].body)
    for address, visitor in ((one, "192.0.2.1"), (one, "192.0.2.1"), (two, "192.0.2.1"), (one, "192.0.2.2")):
        await desk.visit(address, visitor)
    await desk.visit(one, "192.0.2.3", agent="curl/8.0")
    other = await desk.pair.data(desk.pair.codes, "POST", "/links", {"url": "https://shop.test/other"})
    await desk.visit(other["short_url"], "192.0.2.4")
    await desk.pass_clicks_on()
    links = await desk.of(campaign, "GET", "/links")
    assert [(link["url"], link["clicks_human"], link["unique_clicks"]) for link in links] == [
        ("https://shop.test/one", 3, 2),
        ("https://shop.test/two", 1, 1),
    ]
    path = f"/api/v2/stats/{desk.pair.tenant}/campaigns"
    figures = (await desk.pair.data(desk.pair.campaigns, "GET", path))["counts"]
    assert (figures["clicks_human"], figures["unique_clicks"]) == (4, 2)


async def test_a_lost_answer_makes_no_second_link_and_no_text_without(desk: Desk) -> None:
    await desk.people(1)
    desk.pair.line.loses = 1
    campaign = await desk.started("See https://shop.test/one")
    await desk.drain()
    assert desk.twilio.texts == []
    assert "waiting for links" in (await desk.of(campaign, "GET"))["status_reason"]
    desk.pair.clock.advance(11)
    await desk.drain()
    (text,) = desk.twilio.texts
    assert SHORT.search(text.body)
    assert len(await desk.pair.data(desk.pair.codes, "GET", "/links")) == 1
    done = await desk.of(campaign, "GET")
    assert (done["status"], done["status_reason"]) == ("sent", None)


async def test_the_variant_that_is_clicked_wins(desk: Desk) -> None:
    # So many that hardly ever all of them fall to one part.
    await desk.people(40)
    campaign = await desk.draft("Not said by anybody")
    variants = [{"sms_text": "One https://shop.test/one"}, {"sms_text": "Two https://shop.test/two"}]
    body = {"variants": variants, "test_percent": 70, "wait_seconds": 60}
    await desk.of(campaign, "POST", "/variants", body)
    await desk.of(campaign, "POST", "/send")
    await desk.drain()
    tested = Counter(text.body[:3] for text in desk.twilio.texts)
    assert set(tested) == {"One", "Two"}
    assert sum(tested.values()) < 40
    two = next(text.body for text in desk.twilio.texts if text.body.startswith("Two"))
    await desk.visit(SHORT.findall(two)[0], "192.0.2.1")
    await desk.pass_clicks_on()
    await holds.once(desk.pair.campaigns_app.state.runtime)
    desk.pair.clock.advance(61)
    await holds.once(desk.pair.campaigns_app.state.runtime)
    await desk.drain()
    found = await desk.of(campaign, "GET", "/variants")
    assert (found["winner"], [variant["clicks"] for variant in found["variants"]]) == (2, [0, 1])
    told = Counter(text.body for text in desk.twilio.texts)
    assert sum(told.values()) == 40
    assert told[two] == 40 - tested["One"]
    assert (await desk.of(campaign, "GET"))["status"] == "sent"
