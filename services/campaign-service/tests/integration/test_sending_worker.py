"""The sender on a real database and against a real mail server: every recipient ends in the right state."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from campaign_service.sending.model import Limits
from campaign_service.sending.smtp import SmtpSettings, Timeouts
from campaign_service.sending.worker import Sender
from shared.testing import TokenMint
from shared.utils import uuid7
from tests.simulators.processes import RunningSink, smtp_sink
from tests.simulators.smtp_sink import Fault

from .campaigns_kit import Kit, open_kit

QUICK = Timeouts(connect=5, greeting=5, command=1.0, content=1.0)
LIMITS = Limits(connections=3, batch=20, window=4, lease=5.0, retry_base=60.0, max_attempts=3)


@asynccontextmanager
async def sending(kit: Kit, port: int, limits: Limits = LIMITS) -> AsyncIterator[asyncio.Event]:
    """A sender in this process; it is stopped gracefully at the end."""
    stop = asyncio.Event()
    server = SmtpSettings("127.0.0.1", port, timeouts=QUICK)
    task = asyncio.create_task(Sender(kit.runtime, server, limits, stop).run())
    try:
        yield stop
    finally:
        stop.set()
        await task


async def until(condition: Callable[[], Any]) -> None:
    """Waits for what must come; the suite's own time limit ends a test in which it never does."""
    while not await condition():  # noqa: ASYNC110  # what it waits for happens in other processes
        await asyncio.sleep(0.05)


async def status(kit: Kit, campaign: UUID) -> str:
    rows = await kit.fetch(
        "SELECT status FROM campaign WHERE tenant_id = $1 AND id = $2", kit.tenant, campaign
    )
    return str(rows[0]["status"])


async def states(kit: Kit, campaign: UUID) -> dict[str, str]:
    """Local part of the address to state."""
    return {row["email"].partition("@")[0]: row["state"] for row in await kit.recipients(campaign)}


async def campaign_to(kit: Kit, *names: str) -> UUID:
    for name in names:
        await kit.execute(
            "INSERT INTO contact (tenant_id, id, email, first_name) VALUES ($1, $2, $3, 'Zoë')",
            kit.tenant,
            uuid7(),
            f"{name}@example.com",
        )
    created = await kit.create()
    await kit.ok("POST", f"/{created['id']}/send")
    return UUID(created["id"])


async def test_a_campaign_reaches_everybody_once_and_ends(lone_kit: Kit, tmp_path: Path) -> None:
    with smtp_sink(tmp_path) as sink:
        campaign = await lone_kit.started(90)
        async with sending(lone_kit, sink.port):
            await until(lambda: _is(lone_kit, campaign, "sent"))
        messages = sink.messages()
        rows = await lone_kit.recipients(campaign)
        assert Counter(m["recipient"] for m in messages) == Counter(row["email"] for row in rows)
        ids = {m["message_id"] for m in messages}
        assert ids == {
            f"<{lone_kit.ref(campaign, row['contact_id'])}@mail.tidings.localhost>" for row in rows
        }
        assert {m["repeat"] for m in messages} == {None}
        assert {(row["state"], row["attempts"], row["lease_token"]) for row in rows} == {
            ("accepted", 1, None)
        }
        assert await lone_kit.counts(campaign) == {"sent": 90}
        assert len(await lone_kit.published("campaign.campaign.completed.v1")) == 1


async def _is(kit: Kit, campaign: UUID, wanted: str) -> bool:
    return await status(kit, campaign) == wanted


async def test_refusals_end_in_their_states_with_figures_events_and_suppressions(
    lone_kit: Kit, tmp_path: Path
) -> None:
    faults = [
        Fault("^unknown@", "rcpt", reply="550 5.1.1 no such user"),
        Fault("^full@", "rcpt", reply="552 5.2.2 mailbox full"),
        Fault("^spam@", "content", reply="554 5.7.1 looks like spam"),
    ]
    with smtp_sink(tmp_path, *faults) as sink:
        campaign = await campaign_to(lone_kit, "fine", "unknown", "full", "spam")
        async with sending(lone_kit, sink.port):
            await until(lambda: _is(lone_kit, campaign, "partially_failed"))
    assert await states(lone_kit, campaign) == {
        "fine": "accepted",
        "unknown": "bounced_hard",
        "full": "bounced_soft",
        "spam": "failed",
    }
    assert await lone_kit.counts(campaign) == {"sent": 1, "bounced_hard": 1, "bounced_soft": 1, "failed": 1}
    suppressed = await lone_kit.fetch(
        "SELECT address_lower, reason FROM suppression WHERE tenant_id = $1", lone_kit.tenant
    )
    assert suppressed == [{"address_lower": "unknown@example.com", "reason": "hard_bounce"}]
    bounced = await lone_kit.published("campaign.message.bounced.v1")
    assert Counter(event["data"]["kind"] for event in bounced) == {"hard": 1, "soft": 1}
    assert len(await lone_kit.published("campaign.message.failed.v1")) == 1
    events = await lone_kit.fetch("SELECT type FROM message_event WHERE tenant_id = $1", lone_kit.tenant)
    assert Counter(event["type"] for event in events) == {"bounced": 2, "failed": 1}


async def test_451_is_tried_again_later_and_not_for_ever(lone_kit: Kit, tmp_path: Path) -> None:
    faults = [
        Fault("^once@", "rcpt", reply="451 4.7.1 greylisted", times=1),
        Fault("^always@", "content", reply="451 4.3.0 never mind"),
    ]
    with smtp_sink(tmp_path, *faults) as sink:
        campaign = await campaign_to(lone_kit, "fine", "once", "always")
        async with sending(lone_kit, sink.port):
            await until(lambda: _waiting(lone_kit, campaign, 2))
            assert await status(lone_kit, campaign) == "sending"
            lone_kit.clock.advance(70)
            await until(lambda: _waiting(lone_kit, campaign, 1))
            lone_kit.clock.advance(140)
            await until(lambda: _is(lone_kit, campaign, "partially_failed"))
        assert sorted(m["recipient"] for m in sink.messages()) == ["fine@example.com", "once@example.com"]
    rows = {row["email"]: row for row in await lone_kit.recipients(campaign)}
    assert rows["once@example.com"]["state"] == "accepted"
    assert rows["once@example.com"]["attempts"] == 2
    assert rows["always@example.com"]["state"] == "failed"
    assert rows["always@example.com"]["last_code"] == "4.3.0"
    assert await lone_kit.counts(campaign) == {"sent": 2, "failed": 1, "deferred": 4}


async def _waiting(kit: Kit, campaign: UUID, number: int) -> bool:
    counts = Counter((await states(kit, campaign)).values())
    return counts["failed_retry"] == number and not counts["attempting"] + counts["leased"] + counts["queued"]


async def test_lost_connections_and_stalls_end_in_the_right_states(lone_kit: Kit, tmp_path: Path) -> None:
    faults = [
        Fault("^before@", "rcpt", "drop", times=1),
        Fault("^after@", "content", "take_and_drop"),
        Fault("^lost@", "content", "drop"),
        Fault("^stall@", "content", "take_and_stall"),
        Fault("^early@", "data", "stall", times=1),
    ]
    names = [f"fine{n}" for n in range(12)]
    with smtp_sink(tmp_path, *faults) as sink:
        campaign = await campaign_to(lone_kit, *names, "before", "after", "lost", "stall", "early")
        async with sending(lone_kit, sink.port):
            await until(lambda: _waiting(lone_kit, campaign, 2))
            lone_kit.clock.advance(70)
            await until(lambda: _is(lone_kit, campaign, "partially_failed"))
        taken = Counter(m["recipient"].partition("@")[0] for m in sink.messages())
    ended = await states(lone_kit, campaign)
    assert {name for name, state in ended.items() if state == "ambiguous"} == {"after", "lost", "stall"}
    assert {state for name, state in ended.items() if name not in ("after", "lost", "stall")} == {"accepted"}
    assert taken == Counter([*names, "before", "after", "stall", "early"])
    assert await lone_kit.counts(campaign) == {"sent": 14, "ambiguous": 3}


async def test_an_ambiguous_mail_is_sent_again_only_when_asked_and_says_so(
    lone_kit: Kit, tmp_path: Path
) -> None:
    with smtp_sink(tmp_path, Fault("^a@", "content", "take_and_drop", times=1)) as sink:
        campaign = await campaign_to(lone_kit, "a", "b")
        async with sending(lone_kit, sink.port):
            await until(lambda: _is(lone_kit, campaign, "partially_failed"))
            await lone_kit.ok("POST", f"/{campaign}/retry-failed", json={"include_ambiguous": True})
            await until(lambda: _is(lone_kit, campaign, "sent"))
        mails = [m for m in sink.messages() if m["recipient"] == "a@example.com"]
    assert [m["repeat"] for m in mails] == [None, "1"]
    assert len({m["message_id"] for m in mails}) == 1
    assert await lone_kit.counts(campaign) == {"sent": 2, "repeats": 1}


async def test_who_is_suppressed_after_the_start_gets_nothing(lone_kit: Kit, tmp_path: Path) -> None:
    with smtp_sink(tmp_path) as sink:
        campaign = await campaign_to(lone_kit, "keen", "gone", "left")
        await lone_kit.execute(
            """INSERT INTO suppression (tenant_id, id, address_lower, scope, reason)
               VALUES ($1, $2, 'gone@example.com', 'marketing', 'unsubscribed')""",
            lone_kit.tenant,
            uuid7(),
        )
        await lone_kit.execute(
            "DELETE FROM contact WHERE tenant_id = $1 AND email_lower = 'left@example.com'", lone_kit.tenant
        )
        async with sending(lone_kit, sink.port):
            await until(lambda: _is(lone_kit, campaign, "sent"))
        assert [m["recipient"] for m in sink.messages()] == ["keen@example.com"]
    reasons = {row["email"]: row["skip_reason"] for row in await lone_kit.recipients(campaign)}
    assert reasons == {
        "keen@example.com": None,
        "gone@example.com": "unsubscribed",
        "left@example.com": "contact_deleted",
    }
    assert await lone_kit.counts(campaign) == {"sent": 1, "skipped": 2}


async def test_a_paused_campaign_rests_and_a_cancelled_one_ends(lone_kit: Kit, tmp_path: Path) -> None:
    with smtp_sink(tmp_path, delay=0.02) as sink:
        campaign = await lone_kit.started(300)
        async with sending(lone_kit, sink.port):
            await until(lambda: _some_messages(sink, 20))
            await lone_kit.ok("POST", f"/{campaign}/pause")
            await until(lambda: _nothing_in_flight(lone_kit, campaign))
            resting = len(sink.messages())
            assert resting < 300
            await asyncio.sleep(1.0)
            assert len(sink.messages()) == resting
            await lone_kit.ok("POST", f"/{campaign}/resume")
            await until(lambda: _some_messages(sink, resting + 10))
            await lone_kit.ok("POST", f"/{campaign}/cancel")
            await until(lambda: _nothing_in_flight(lone_kit, campaign))
        counts = Counter((await states(lone_kit, campaign)).values())
        assert counts["accepted"] == len(sink.messages())
        assert counts["accepted"] + counts["cancelled"] == 300


async def _some_messages(sink: RunningSink, number: int) -> bool:
    return len(sink.messages()) >= number


async def _nothing_in_flight(kit: Kit, campaign: UUID) -> bool:
    counts = Counter((await states(kit, campaign)).values())
    return not counts["attempting"] + counts["leased"]


async def test_a_graceful_stop_leaves_nothing_leased(lone_kit: Kit, tmp_path: Path) -> None:
    with smtp_sink(tmp_path, delay=0.02) as sink:
        campaign = await lone_kit.started(200)
        async with sending(lone_kit, sink.port):
            await until(lambda: _some_messages(sink, 10))
        counts = Counter((await states(lone_kit, campaign)).values())
        assert counts["accepted"] == len(sink.messages())
        assert counts["accepted"] + counts["queued"] == 200
        async with sending(lone_kit, sink.port):
            await until(lambda: _is(lone_kit, campaign, "sent"))
        assert len(sink.messages()) == len({m["recipient"] for m in sink.messages()}) == 200


async def test_two_senders_share_a_campaign_without_repeats(lone_kit: Kit, tmp_path: Path) -> None:
    with smtp_sink(tmp_path) as sink:
        campaign = await lone_kit.started(200)
        async with sending(lone_kit, sink.port), sending(lone_kit, sink.port):
            await until(lambda: _is(lone_kit, campaign, "sent"))
        assert len(sink.messages()) == len({m["recipient"] for m in sink.messages()}) == 200


async def test_a_server_that_is_away_loses_nothing(lone_kit: Kit, tmp_path: Path) -> None:
    campaign = await campaign_to(lone_kit, "a", "b")
    with smtp_sink(tmp_path) as gone:
        port = gone.port
    async with sending(lone_kit, port):
        await asyncio.sleep(1.0)
        assert set((await states(lone_kit, campaign)).values()) <= {"queued", "leased"}
        with smtp_sink(tmp_path, port=port) as sink:
            await until(lambda: _is(lone_kit, campaign, "sent"))
            assert len(sink.messages()) == 2
    assert {row["attempts"] for row in await lone_kit.recipients(campaign)} == {1}


async def test_a_small_campaign_does_not_wait_behind_a_large_one(
    lone_kit: Kit, database_dsn: str, mint: TokenMint, tenant_b: UUID, tmp_path: Path
) -> None:
    with smtp_sink(tmp_path) as sink:
        large = await lone_kit.started(600)
        async with open_kit(database_dsn, mint, tenant_b) as other:
            small = await other.started(10)
            async with sending(lone_kit, sink.port):
                await until(lambda: _is(other, small, "sent"))
                assert await status(lone_kit, large) == "sending"
                await until(lambda: _is(lone_kit, large, "sent"))
        order = [m["campaign"] for m in sink.messages()]
        assert max(at for at, name in enumerate(order) if name == str(small)) < 300


async def test_a_recipient_whose_mail_cannot_be_made_fails_alone(lone_kit: Kit, tmp_path: Path) -> None:
    with smtp_sink(tmp_path) as sink:
        campaign = await campaign_to(lone_kit, "good", "bad address")
        async with sending(lone_kit, sink.port):
            await until(lambda: _is(lone_kit, campaign, "partially_failed"))
        assert [m["recipient"] for m in sink.messages()] == ["good@example.com"]
    rows = {row["email"]: row for row in await lone_kit.recipients(campaign)}
    assert (rows["bad address@example.com"]["state"], rows["bad address@example.com"]["last_code"]) == (
        "failed",
        "render",
    )
