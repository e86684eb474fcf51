"""Campaigns by SMS: priced before they are sent, sent once, reported on in any order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from campaign_service.sms.twilio import Twilio
from tests.simulators.twilio import report_form

from .campaigns_kit import Kit
from .sms_kit import NUMBER, Phones, open_phones


@pytest.fixture
async def phones(lone_kit: Kit) -> AsyncIterator[Phones]:
    async with open_phones(lone_kit) as opened:
        yield opened


async def test_everybody_who_agreed_gets_one_text(phones: Phones) -> None:
    _, ann = await phones.person(first_name="Ann")
    await phones.person(ann, first_name="Ann's other address")
    _, bob = await phones.person(first_name="Bob")
    _, unasked = await phones.person(consent="UNSUBSCRIBE")
    await phones.person(consent=None)
    await phones.kit.add_contacts(1, prefix="nophone")
    campaign = await phones.campaign()
    await phones.drain()
    assert phones.twilio.bodies(ann) == ["Hello Ann. Reply STOP to end"]
    assert phones.twilio.bodies(bob) == ["Hello Bob. Reply STOP to end"]
    assert phones.twilio.bodies(unasked) == []
    assert await phones.states(campaign) == {ann: "accepted", bob: "accepted"}
    found = await phones.kit.ok("GET", f"/{campaign}")
    assert (found["status"], found["recipient_count"], found["channel"]) == ("sent", 2, "sms")
    assert await phones.kit.counts(campaign) == {"sent": 2}
    sent = phones.twilio.requests[0]
    assert sent["From"] == NUMBER
    listed = await phones.kit.ok("GET", f"/{campaign}/recipients")
    assert {row["phone"] for row in listed} == {ann, bob}


async def test_segments_and_price_are_known_before(phones: Phones) -> None:
    await phones.person("+33612345678", first_name="Zoé")
    await phones.person("+12025550143", first_name="Łukasz")
    await phones.person("+4915112345678", first_name="Jo" * 80)
    await phones.person("+12025550143", first_name="Same number")
    _, gone = await phones.person(first_name="Gone")
    await phones.kit.request(
        "POST", f"/api/v2/suppressions/{phones.kit.tenant}", json={"address": gone, "channel": "sms"}
    )
    draft = await phones.draft("Hello {{ first_name }}. Reply STOP to end")
    audience = await phones.kit.ok("GET", f"/{draft['id']}/audience")
    assert audience["count"] == 3
    assert audience["suppressed"] == {"manual": 1}
    assert audience["not_eligible"] == {"same_phone": 1}
    total = audience["sms"]
    assert (total["segments"], total["price_micros"]) == (4, 70_000 + 8_000 + 2 * 10_000)
    assert total["recipients_by_segments"] == {"1": 2, "2": 1}
    assert total["recipients_by_encoding"] == {"GSM-7": 2, "UCS-2": 1}
    assert (total["currency"], total["is_estimate"], total["unsendable"]) == ("USD", False, 0)
    await phones.kit.ok("POST", f"/{draft['id']}/send")
    await phones.drain()
    texts = await phones.texts()
    assert (sum(t["segments"] for t in texts), sum(t["price"] for t in texts)) == (4, total["price_micros"])


async def test_preview_counts_one_persons_text(phones: Phones) -> None:
    contact, _ = await phones.person("+33612345678", first_name="Łukasz")
    draft = await phones.draft("Salut {{ first_name }}")
    shown = await phones.kit.ok("GET", f"/{draft['id']}/preview?contact_id={contact}")
    assert shown["text"] == "Salut Łukasz"
    assert shown["sms"] == {
        "encoding": "UCS-2",
        "units": 12,
        "segments": 1,
        "price_micros": 70_000,
        "currency": "USD",
    }
    assert any("Ł" in warning for warning in shown["warnings"])
    assert any("STOP" in warning for warning in shown["warnings"])


async def test_a_templates_text_part_in_each_language(phones: Phones) -> None:
    template = await phones.kit.request(
        "POST",
        "/api/v2/templates",
        json={
            "name": "both",
            "default_language": "en",
            "contents": {
                "en": {"subject": "s", "html": "<p>x</p>", "text": "Hi {{ first_name }}, STOP"},
                "fr": {"subject": "s", "html": "<p>x</p>", "text": "Salut {{ first_name }}"},
            },
        },
    )
    assert template.status_code == 201, template.text
    _, ann = await phones.person(first_name="Ann", language="en")
    _, zoe = await phones.person(first_name="Zoé", language="fr-CA")
    campaign = await phones.campaign(None, template_id=template.json()["data"]["id"])
    await phones.drain()
    assert phones.twilio.bodies(ann) == ["Hi Ann, STOP"]
    assert phones.twilio.bodies(zoe) == ["Salut Zoé"]
    assert (await phones.kit.ok("GET", f"/{campaign}"))["template_version"] == 1


async def test_a_campaign_says_something_that_can_be_read(phones: Phones) -> None:
    async def status(**body: Any) -> int:
        body = {"name": "x", "channel": "sms", **body}
        return (await phones.kit.request("POST", "/api/v2/campaigns", json=body)).status_code

    assert await status() == 422
    assert await status(channel="email", sms_text="Hello") == 422
    assert await status(sms_text="Hello {{ first_name") == 400
    assert await status(template_id="00000000-0000-7000-8000-000000000000") == 400


async def test_without_an_account_nothing_starts(kit: Kit) -> None:
    body = {"name": "x", "channel": "sms", "sms_text": "Hello"}
    made = (await kit.request("POST", "/api/v2/campaigns", json=body)).json()["data"]
    answer = await kit.campaigns("POST", f"/{made['id']}/send")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "SMS_NOT_CONFIGURED")
    assert not (await kit.ok("GET", f"/{made['id']}/audience"))["sms"]["is_configured"]


def morning_after(night: datetime, zone: str) -> datetime:
    """Eight o'clock of the place, after a moment between nine in the evening and eight there."""
    local = night.astimezone(ZoneInfo(zone))
    day = local + timedelta(days=local.hour >= 21)
    return day.replace(hour=8, minute=0).astimezone(UTC)


async def test_nobody_is_texted_at_night(phones: Phones) -> None:
    await phones.set_up(quiet_hours={"start": "21:00", "end": "08:00"}, time_zone="America/New_York")
    clock = phones.kit.clock
    night = (clock.now() + timedelta(days=1)).replace(hour=3, minute=0, second=0, microsecond=0)
    clock.advance((night - clock.now()).total_seconds())
    _, paris = await phones.person("+33612345678")
    _, tokyo = await phones.person("+14155550100", time_zone="Asia/Tokyo")
    _, unknown = await phones.person("+18005550100")
    campaign = await phones.campaign()
    await phones.drain()
    # four or five in Paris, noon in Tokyo, late in New York
    assert phones.twilio.bodies(tokyo)
    assert not phones.twilio.bodies(paris)
    assert not phones.twilio.bodies(unknown)
    waiting = {r["phone"]: r["next_attempt_at"] for r in await phones.kit.recipients(campaign)}
    assert waiting[paris] == morning_after(night, "Europe/Paris")
    assert waiting[unknown] == morning_after(night, "America/New_York")
    assert (await phones.kit.ok("GET", f"/{campaign}"))["status"] == "sending"
    clock.advance(10 * 3600)
    await phones.drain()
    assert set((await phones.states(campaign)).values()) == {"accepted"}
    assert (await phones.kit.ok("GET", f"/{campaign}"))["status"] == "sent"


@pytest.mark.parametrize("fault", ["hang", "drop", "garbage", "500"])
async def test_what_was_not_answered_is_never_sent_again(lone_kit: Kit, fault: Any) -> None:
    async with open_phones(lone_kit, timeout=0.2) as phones:
        _, ann = await phones.person()
        phones.twilio.faults = [fault]
        campaign = await phones.campaign()
        await phones.drain()
        assert await phones.states(campaign) == {ann: "ambiguous"}
        assert await phones.kit.counts(campaign) == {"ambiguous": 1}
        lone_kit.clock.advance(86_400)
        await phones.drain()
        assert len(phones.twilio.requests) == 1


async def test_a_report_settles_what_was_not_answered(lone_kit: Kit) -> None:
    async with open_phones(lone_kit, timeout=0.2) as phones:
        _, ann = await phones.person()
        phones.twilio.faults = ["hang"]
        campaign = await phones.campaign()
        await phones.drain()
        sid = phones.twilio.texts[0].sid
        await phones.webhook(report_form(sid, "delivered", to=ann, sender=NUMBER))
        assert await phones.states(campaign) == {ann: "delivered"}


async def test_a_refusal_that_passes_is_tried_again(phones: Phones) -> None:
    _, ann = await phones.person()
    phones.twilio.faults = ["429", "503"]
    campaign = await phones.campaign()
    await phones.drain()
    assert await phones.states(campaign) == {ann: "failed_retry"}
    for minutes in (1, 3):
        phones.kit.clock.advance(60 * minutes)
        await phones.drain()
    assert await phones.states(campaign) == {ann: "accepted"}
    assert phones.twilio.bodies(ann) == ["Hello . Reply STOP to end"]


async def test_no_connection_is_tried_again(phones: Phones) -> None:
    _, ann = await phones.person()
    campaign = await phones.campaign()
    dead = Twilio("http://127.0.0.1:9", 1.0)
    phones.lane._twilio, alive = dead, phones.lane._twilio
    await phones.drain()
    await dead.close()
    assert await phones.states(campaign) == {ann: "failed_retry"}
    phones.lane._twilio = alive
    phones.kit.clock.advance(60)
    await phones.drain()
    assert await phones.states(campaign) == {ann: "accepted"}


async def test_a_process_that_ends_in_flight_leaves_it_ambiguous(phones: Phones) -> None:
    _, ann = await phones.person()
    campaign = await phones.campaign()

    await phones.die()
    assert (await phones.states(campaign), await phones.sweep()) == ({ann: "attempting"}, 0)
    await phones.kit.execute(
        "UPDATE sms_message SET lease_until = now() - interval '1 s' WHERE tenant_id = $1", phones.kit.tenant
    )
    assert await phones.sweep() == 1
    await phones.drain()
    assert (await phones.states(campaign), phones.twilio.requests) == ({ann: "ambiguous"}, [])
    assert (await phones.kit.ok("GET", f"/{campaign}"))["status"] == "partially_failed"


async def test_reports_count_once_and_never_go_back(phones: Phones) -> None:
    _, ann = await phones.person()
    campaign = await phones.campaign()
    await phones.drain()
    sid = phones.twilio.texts[0].sid
    for status in ("delivered", "sent", "delivered", "sending", "undelivered"):
        await phones.webhook(report_form(sid, status, to=ann, sender=NUMBER))
    assert await phones.states(campaign) == {ann: "delivered"}
    assert await phones.kit.counts(campaign) == {"sent": 1, "delivered": 1}
    assert len(await phones.kit.published("campaign.message.delivered.v1")) == 1
    (fact,) = await phones.kit.published("campaign.message.sent.v1")
    assert (fact["data"]["channel"], fact["data"]["recipient"]) == ("sms", ann)


async def test_a_report_before_the_answer_is_kept_for_it(phones: Phones) -> None:
    _, ann = await phones.person()
    await phones.webhook(report_form(f"SM{1:032x}", "delivered", to=ann, sender=NUMBER))
    campaign = await phones.campaign()
    await phones.drain()
    assert await phones.states(campaign) == {ann: "delivered"}
    assert await phones.kit.counts(campaign) == {"sent": 1, "delivered": 1}


@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [
        ("21610", "bounced_hard", "unsubscribed"),
        ("30005", "bounced_hard", "invalid"),
        ("30006", "bounced_hard", "invalid"),
        ("30003", "bounced_soft", None),
        ("30007", "bounced_soft", None),
    ],
)
async def test_error_codes_become_suppressions(
    phones: Phones, code: str, state: str, reason: str | None
) -> None:
    _, ann = await phones.person()
    campaign = await phones.campaign()
    await phones.drain()
    sid = phones.twilio.texts[0].sid
    await phones.webhook(report_form(sid, "undelivered", to=ann, sender=NUMBER, error=code))
    assert await phones.states(campaign) == {ann: state}
    listed = await phones.get(f"/api/v2/suppressions/{phones.kit.tenant}?channel=sms")
    assert [(row["address"], row["reason"]) for row in listed] == ([(ann, reason)] if reason else [])


async def test_a_number_that_opted_out_at_the_provider_is_refused_and_left_alone(phones: Phones) -> None:
    _, ann = await phones.person()
    phones.twilio.refusals[ann] = 21610
    first = await phones.campaign()
    await phones.drain()
    assert await phones.states(first) == {ann: "bounced_hard"}
    answer = await phones.kit.campaigns("POST", f"/{(await phones.draft())['id']}/send")
    assert answer.json()["error"]["code"] == "EMPTY_AUDIENCE"


async def test_a_handset_that_stays_away_rests(phones: Phones) -> None:
    _, ann = await phones.person()
    for _ in range(3):
        await phones.campaign()
        await phones.drain()
        await phones.webhook(
            report_form(phones.twilio.texts[-1].sid, "undelivered", to=ann, sender=NUMBER, error="30003")
        )
    (row,) = await phones.get(f"/api/v2/suppressions/{phones.kit.tenant}?channel=sms")
    assert (row["address"], row["reason"]) == (ann, "soft_bounces")
    assert row["expires_at"] is not None


async def test_an_account_that_is_refused_pauses_the_campaign(phones: Phones) -> None:
    _, ann = await phones.person()
    await phones.set_up(auth_token="another token than the provider's")
    campaign = await phones.campaign()
    await phones.drain()
    found = await phones.kit.ok("GET", f"/{campaign}")
    assert found["status"] == "paused"
    assert "20003" in found["status_reason"]
    await phones.set_up()
    await phones.kit.ok("POST", f"/{campaign}/resume")
    phones.kit.clock.advance(60)
    await phones.drain()
    assert await phones.states(campaign) == {ann: "accepted"}


async def test_consent_withdrawn_after_the_start_counts(phones: Phones) -> None:
    ann, number = await phones.person()
    campaign = await phones.campaign()
    await phones.kit.execute(
        "UPDATE contact SET custom_fields = '{}' WHERE tenant_id = $1 AND id = $2", phones.kit.tenant, ann
    )
    await phones.drain()
    assert (await phones.states(campaign), phones.twilio.requests) == ({number: "skipped"}, [])


async def test_a_number_sends_no_faster_than_it_may(phones: Phones) -> None:
    await phones.set_up(rate_per_sender=20, numbers=[{"number": NUMBER}, {"number": "+15005550007"}])
    for _ in range(6):
        await phones.person()
    await phones.campaign()
    sent = 0
    while len(phones.twilio.texts) < 6:
        await phones.lane.work_once()
        sent += 1
    rows = await phones.kit.fetch(
        """SELECT business_phone, max(sent_at) - min(sent_at) AS took FROM sms_message
           WHERE tenant_id = $1 GROUP BY business_phone""",
        phones.kit.tenant,
    )
    assert {row["business_phone"] for row in rows} == {NUMBER, "+15005550007"}
    # three from each number, a twentieth of a second apart, less what the clock of an answer may jitter
    assert all(row["took"] > timedelta(seconds=0.06) for row in rows)


async def test_the_mail_sender_leaves_texts_alone(phones: Phones) -> None:
    from campaign_service.sending import repository as sending

    await phones.person()
    campaign = await phones.campaign()
    async with phones.kit.db.system_tx() as tx:
        keys = await sending.sending_campaigns(tx)
    assert campaign not in [key.campaign_id for key in keys]
