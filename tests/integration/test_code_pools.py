"""Each recipient's own code: both services over HTTP, with answers lost and a process killed."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from email import message_from_string
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from campaign_service.campaigns.holds import worker as holds
from shared.testing import TokenMint
from tests.integration.two_services import SECRET, SERVICE_KEY, Pair, two_services
from tests.simulators.processes import smtp_sink
from tests.workers import until, worker

HTML = '<p>Your code: {{ code }}</p><a href="{{ unsubscribe_url }}">bye</a>'


class Shop:
    """One tenant with its campaigns and codes."""

    def __init__(self, pair: Pair) -> None:
        self.campaigns, self.codes = pair.campaigns, pair.codes
        self.runtime = pair.campaigns_app.state.runtime
        self.db, self.line, self.tenant, self.clock = pair.db, pair.line, pair.tenant, pair.clock
        self.data = pair.data

    async def fill(self, *codes: str) -> None:
        for code in codes:
            await self.data(self.codes, "POST", "/codes", {"code": code, "pool": "spring"})

    async def campaign(self, people: int, **fields: Any) -> str:
        """A campaign with a code for everybody, started."""
        own = {"tenant_id": str(self.tenant)}
        content = {"subject": "Spring", "html": HTML}
        template = await self.data(
            self.campaigns,
            "POST",
            "/api/v2/templates",
            own | {"name": "Spring", "default_language": "en", "contents": {"en": content}},
        )
        for number in range(people):
            contact = own | {"email": f"reader{number}@example.com"}
            await self.data(self.campaigns, "POST", "/api/v2/contacts", contact)
        body = own | {"name": "Spring", "template_id": template["id"], "code_pool": "spring"} | fields
        made = await self.data(self.campaigns, "POST", "/api/v2/campaigns", body)
        await self.of(made["id"], "POST", "/send")
        return str(made["id"])

    async def of(self, campaign: str, method: str, path: str = "", body: Any = None) -> Any:
        return await self.data(
            self.campaigns, method, f"/api/v2/campaigns/{self.tenant}/{campaign}{path}", body
        )

    async def recipients(self, campaign: str) -> list[dict[str, Any]]:
        return list(await self.of(campaign, "GET", "/recipients?limit=200"))

    async def held_codes(self, status: str = "allocated") -> set[str]:
        found = await self.data(self.codes, "GET", f"/codes?status={status}&limit=200")
        return {code["code"] for code in found}

    async def execute(self, sql: str, *args: Any) -> None:
        async with self.db.tenant_tx(self.tenant) as tx:
            await tx.execute(sql, *args)


@pytest.fixture
async def shop(
    database_dsn: str, mint: TokenMint, tenant_a: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shop]:
    async with two_services(database_dsn, mint, tenant_a, tmp_path) as pair:
        monkeypatch.setenv("CODE_SERVICE_URL", pair.url)
        yield Shop(pair)


def names(prefix: str, number: int) -> list[str]:
    return [f"{prefix}-{n:03}" for n in range(number)]


async def test_everybody_gets_a_code_of_their_own_before_the_mail_may_go(shop: Shop) -> None:
    await shop.fill(*names("GIFT", 7))
    campaign = await shop.campaign(5)
    rows = await shop.recipients(campaign)
    assert {(row["code"], row["state"]) for row in rows} == {(None, "queued")}
    await holds.once(shop.runtime)
    given = [row["code"] for row in await shop.recipients(campaign)]
    assert len(set(given)) == 5
    assert set(given) == await shop.held_codes()
    await holds.once(shop.runtime)
    assert [row["code"] for row in await shop.recipients(campaign)] == given


async def test_a_lost_answer_costs_no_code(shop: Shop) -> None:
    await shop.fill(*names("GIFT", 5))
    campaign = await shop.campaign(5)
    shop.line.loses = 1
    await holds.once(shop.runtime)
    assert {row["code"] for row in await shop.recipients(campaign)} == {None}
    assert "waiting for codes" in (await shop.of(campaign, "GET"))["status_reason"]
    await holds.once(shop.runtime)
    assert shop.line.allocations == 1
    shop.clock.advance(11)
    await holds.once(shop.runtime)
    assert shop.line.allocations == 2
    assert {row["code"] for row in await shop.recipients(campaign)} == set(names("GIFT", 5))
    assert (await shop.of(campaign, "GET"))["status_reason"] is None


async def test_an_empty_pool_is_told_and_a_refill_goes_on(shop: Shop) -> None:
    await shop.fill(*names("GIFT", 2))
    campaign = await shop.campaign(5)
    for _ in range(2):
        await holds.once(shop.runtime)
    stopped = await shop.of(campaign, "GET")
    assert stopped["status"] == "sending"
    assert stopped["status_reason"] == "waiting for codes: the pool spring has no free code"
    assert sum(row["code"] is not None for row in await shop.recipients(campaign)) == 2
    await shop.fill(*names("MORE", 3))
    shop.clock.advance(31)
    await holds.once(shop.runtime)
    given = {row["code"] for row in await shop.recipients(campaign)}
    assert given == {*names("GIFT", 2), *names("MORE", 3)}
    assert (await shop.of(campaign, "GET"))["status_reason"] is None


async def test_codes_of_mails_that_were_never_sent_go_back_and_nobody_elses(shop: Shop) -> None:
    await shop.fill(*names("GIFT", 4))
    campaign = await shop.campaign(4)
    await holds.once(shop.runtime)
    await shop.execute(
        """UPDATE campaign_recipient SET state = 'accepted', accepted_at = now()
           WHERE tenant_id = $1 AND email = 'reader0@example.com'""",
        shop.tenant,
    )
    await shop.of(campaign, "POST", "/cancel")
    shop.line.loses = 1
    await holds.once(shop.runtime)
    kept = {row["code"] for row in await shop.recipients(campaign) if row["state"] == "accepted"}
    assert await shop.held_codes() == kept
    taken = await shop.data(
        shop.codes, "POST", "/codes/allocate?code_type=discount&pool=spring&mark_used=false"
    )
    await holds.once(shop.runtime)
    assert await shop.held_codes() == {*kept, taken["code"]}
    assert {row["code"] for row in await shop.recipients(campaign)} == {*kept, None}


async def test_a_campaign_cancelled_during_its_request_keeps_no_code(shop: Shop) -> None:
    await shop.fill(*names("GIFT", 3))
    campaign = await shop.campaign(3)
    shop.line.loses = 1
    await holds.once(shop.runtime)
    assert len(await shop.held_codes()) == 3
    await shop.of(campaign, "POST", "/cancel")
    shop.clock.advance(11)
    for _ in range(2):
        await holds.once(shop.runtime)
    assert await shop.held_codes() == set()
    assert await shop.held_codes("available") == set(names("GIFT", 3))


async def test_those_who_wait_for_a_winner_take_no_codes_yet(shop: Shop) -> None:
    await shop.fill(*names("GIFT", 30))
    variants = {"variants": [{"subject": "One"}, {"subject": "Two"}], "test_percent": 50, "wait_seconds": 60}
    own = {"tenant_id": str(shop.tenant)}
    campaign = await shop.campaign(1, scheduled_at=None)
    await shop.of(campaign, "POST", "/cancel")
    copy = (await shop.of(campaign, "POST", "/duplicate"))["id"]
    for number in range(1, 30):
        contact = own | {"email": f"reader{number}@example.com"}
        await shop.data(shop.campaigns, "POST", "/api/v2/contacts", contact)
    await shop.of(copy, "PUT", "/variants", variants)
    await shop.of(copy, "POST", "/send")
    await holds.once(shop.runtime)
    rows = await shop.recipients(copy)
    assert all((row["code"] is not None) == (row["variant"] > 0) for row in rows)
    await shop.execute(
        """UPDATE campaign_recipient SET state = 'accepted', accepted_at = now()
           WHERE tenant_id = $1 AND variant > 0""",
        shop.tenant,
    )
    await holds.once(shop.runtime)
    shop.clock.advance(61)
    for _ in range(2):
        await holds.once(shop.runtime)
    rows = await shop.recipients(copy)
    assert len({row["code"] for row in rows}) == 30
    assert min(row["variant"] for row in rows) == 1


async def test_a_worker_killed_between_request_and_answer_loses_no_code_and_gives_none_twice(
    shop: Shop, database_dsn: str, tmp_path: Path
) -> None:
    await shop.fill(*names("GIFT", 25))
    with smtp_sink(tmp_path) as sink:
        settings = {
            "SMTP_URL": f"smtp://127.0.0.1:{sink.port}",
            "JWT_SECRET": SECRET,
            "INTERNAL_SERVICE_KEY": SERVICE_KEY,
        }
        shop.line.keeps_back = True
        campaign = await shop.campaign(20)
        with worker(database_dsn, tmp_path / "first", **settings) as process:
            await shop.line.kept.wait()
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)
        held = await shop.held_codes()
        assert len(held) == 20
        shop.line.keeps_back = False
        await shop.execute("UPDATE code_request SET try_after = now() WHERE tenant_id = $1", shop.tenant)
        with worker(database_dsn, tmp_path / "second", **settings):
            await until(lambda: _is_sent(shop, campaign))
        mailed = [_code_in(message["content"]) for message in sink.messages()]
    assert sorted(mailed) == sorted(held) == sorted(await shop.held_codes())


async def _is_sent(shop: Shop, campaign: str) -> bool:
    return bool((await shop.of(campaign, "GET"))["status"] == "sent")


def _code_in(content: str) -> str:
    body = message_from_string(content, policy=default).get_body(("plain",))
    found = re.search(r"Your code: (GIFT-\d+)", body.get_content() if body else "")
    assert found is not None
    return found[1]
