"""What campaigns by SMS have in common with those by mail: variants, hours, trials, a second start."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from campaign_service.campaigns.holds import worker as holds
from campaign_service.campaigns.recipients import repository as recipients
from campaign_service.suppressions import repository as suppressions
from campaign_service.suppressions.repository import NewSuppression

from .campaigns_kit import Kit
from .sms_kit import Phones, open_phones


@pytest.fixture
async def phones(lone_kit: Kit) -> AsyncIterator[Phones]:
    async with open_phones(lone_kit) as opened:
        yield opened


async def varied(phones: Phones, people: int, **rules: Any) -> str:
    """A started campaign in two variants."""
    for _ in range(people):
        await phones.person(first_name="Ann")
    draft = await phones.draft("Plain")
    variants = {"variants": [{"sms_text": "One {{ first_name }}"}, {"sms_text": "Two {{ first_name }}"}]}
    await phones.kit.ok("POST", f"/{draft['id']}/variants", json=variants | rules)
    await phones.kit.ok("POST", f"/{draft['id']}/send")
    return str(draft["id"])


async def test_everybody_is_in_the_test_when_it_is_of_all(phones: Phones) -> None:
    campaign = await varied(phones, 20, test_percent=100)
    await phones.drain()
    said = Counter(text.body for text in phones.twilio.texts)
    assert set(said) == {"One Ann", "Two Ann"}
    rows = await phones.kit.recipients(campaign)
    assert said == Counter(f"{'One' if row['variant'] == 1 else 'Two'} Ann" for row in rows)
    shown = await phones.kit.ok("GET", f"/{campaign}/variants")
    assert [variant["sent"] for variant in shown["variants"]] == [said["One Ann"], said["Two Ann"]]


async def test_the_others_wait_for_the_winner(phones: Phones) -> None:
    campaign = await varied(phones, 20, test_percent=30, automatic=False)
    await phones.drain()
    tested = Counter(text.body for text in phones.twilio.texts)
    assert sum(tested.values()) < 20
    await phones.kit.ok("POST", f"/{campaign}/variants/1/win")
    await holds.once(phones.kit.runtime)
    await phones.drain()
    said = Counter(text.body for text in phones.twilio.texts)
    assert said["One Ann"] == 20 - tested["Two Ann"]
    assert (await phones.kit.ok("GET", f"/{campaign}"))["status"] == "sent"


async def test_a_variant_may_be_the_text_of_a_template(phones: Phones) -> None:
    template = await phones.kit.request(
        "POST",
        "/api/v2/templates",
        json={
            "name": "second",
            "default_language": "en",
            "contents": {"en": {"subject": "s", "html": "<p>x</p>", "text": "Of the template"}},
        },
    )
    template_id = template.json()["data"]["id"]
    for _ in range(20):
        await phones.person()
    draft = await phones.draft("Of the campaign")
    body = {"variants": [{"sms_text": "Its own"}, {"template_id": template_id}], "test_percent": 100}
    await phones.kit.ok("PUT", f"/{draft['id']}/variants", json=body)
    await phones.kit.ok("POST", f"/{draft['id']}/send")
    await phones.drain()
    assert {text.body for text in phones.twilio.texts} == {"Its own", "Of the template"}
    shown = await phones.kit.ok("GET", f"/{draft['id']}/variants")
    assert [variant["template_version"] for variant in shown["variants"]] == [None, 1]


@pytest.mark.parametrize(
    "variant",
    [
        {"subject": "A subject"},
        {"sms_text": "Hi", "from_name": "Shop"},
        {"sms_text": "Hi {{ first_name"},
        {"template_id": "00000000-0000-7000-8000-000000000000"},
    ],
)
async def test_a_variant_is_a_text_that_can_be_read(phones: Phones, variant: dict[str, Any]) -> None:
    draft = await phones.draft()
    body = {"variants": [{"sms_text": "Good"}, variant]}
    answer = await phones.kit.campaigns("POST", f"/{draft['id']}/variants", json=body)
    assert answer.status_code == 400, answer.text


async def test_a_mail_has_no_variant_by_text(kit: Kit) -> None:
    campaign = await kit.create()
    body = {"variants": [{"sms_text": "Hi"}, {"subject": "Two"}]}
    answer = await kit.campaigns("POST", f"/{campaign['id']}/variants", json=body)
    assert answer.status_code == 400


async def test_each_variant_can_be_seen(phones: Phones) -> None:
    await phones.person(first_name="Ann")
    draft = await phones.draft("Plain")
    body = {"variants": [{"sms_text": "One {{ first_name }}"}, {"sms_text": "Two"}]}
    await phones.kit.ok("POST", f"/{draft['id']}/variants", json=body)
    shown = [
        (await phones.kit.ok("GET", f"/{draft['id']}/preview{query}"))["text"]
        for query in ("", "?variant=1", "?variant=2")
    ]
    assert shown == ["Plain", "One Ann", "Two"]
    missing = await phones.kit.campaigns("GET", f"/{draft['id']}/preview?variant=3")
    assert missing.status_code == 404


async def test_the_dearest_variant_is_counted(phones: Phones) -> None:
    await phones.person()
    draft = await phones.draft("Short")
    body = {"variants": [{"sms_text": "x" * 161}, {"sms_text": "x"}]}
    await phones.kit.ok("POST", f"/{draft['id']}/variants", json=body)
    total = (await phones.kit.ok("GET", f"/{draft['id']}/audience"))["sms"]
    assert (total["segments"], total["price_micros"], total["is_estimate"]) == (2, 16_000, True)


async def test_texts_come_at_each_persons_own_time_of_day(phones: Phones) -> None:
    clock = phones.kit.clock
    noon = (clock.now() + timedelta(days=1)).astimezone(ZoneInfo("Asia/Tokyo"))
    noon = noon.replace(hour=12, minute=0, second=0, microsecond=0)
    clock.advance((noon - clock.now()).total_seconds())
    _, tokyo = await phones.person(time_zone="Asia/Tokyo")
    _, paris = await phones.person(time_zone="Europe/Paris")
    campaign = await phones.campaign(local_time="13:00")
    await phones.drain()
    assert phones.twilio.texts == []
    clock.advance(3600)
    await phones.drain()
    assert [text.to for text in phones.twilio.texts] == [tokyo]
    clock.advance(8 * 3600)
    await phones.drain()
    assert [text.to for text in phones.twilio.texts] == [tokyo, paris]
    assert (await phones.kit.ok("GET", f"/{campaign}"))["status"] == "sent"


async def trial(phones: Phones, campaign: str, *to: str, **more: Any) -> httpx.Response:
    return await phones.kit.campaigns("POST", f"/{campaign}/test", json={"to": to, **more})


async def test_a_trial_goes_to_a_number_and_counts_nowhere(phones: Phones) -> None:
    await phones.person(first_name="Ann", phone="+12025550111")
    zoe, _ = await phones.person(first_name="Zoe")
    draft = await phones.draft("Hello {{ first_name }}, see https://shop.test/spring")
    answer = await trial(phones, draft["id"], "+1 202-555-0177", contact_id=str(zoe))
    assert answer.status_code == 202, answer.text
    await phones.drain()
    assert phones.twilio.bodies("+12025550177") == ["Hello Zoe, see https://shop.test/spring"]
    assert len(phones.twilio.texts) == 1
    (message,) = answer.json()["data"]["message_ids"]
    found = await phones.get(f"/api/v2/messages/{phones.kit.tenant}/{message}")
    assert (found["to"], found["state"], found["channel"]) == ("+12025550177", "accepted", "sms")
    assert (await phones.kit.ok("GET", f"/{draft['id']}"))["status"] == "draft"
    assert await phones.kit.counts(draft["id"]) == {}


async def test_a_trial_fits_its_channel(phones: Phones) -> None:
    text, mail = await phones.draft(), await phones.kit.create()
    assert (await trial(phones, text["id"], "ann@example.com")).status_code == 400
    assert (await trial(phones, mail["id"], "+12025550177")).status_code == 400
    assert (await trial(phones, text["id"], "12")).status_code == 422
    unknown = "00000000-0000-7000-8000-000000000000"
    assert (await trial(phones, text["id"], "+12025550177", contact_id=unknown)).status_code == 404


async def test_a_variant_in_texts_is_tried_by_its_number(phones: Phones) -> None:
    draft = await phones.draft("Plain")
    body = {"variants": [{"sms_text": "One"}, {"sms_text": "Two"}]}
    await phones.kit.ok("PUT", f"/{draft['id']}/variants", json=body)
    await trial(phones, draft["id"], "+12025550177", variant=2)
    await phones.drain()
    assert phones.twilio.bodies("+12025550177") == ["Two"]
    assert (await trial(phones, draft["id"], "+12025550177", variant=3)).status_code == 404


async def test_who_asked_for_no_texts_gets_no_trial(phones: Phones) -> None:
    path = f"/api/v2/suppressions/{phones.kit.tenant}"
    await phones.kit.request("POST", path, json={"address": "+12025550177", "channel": "sms"})
    answer = await trial(phones, (await phones.draft())["id"], "+12025550177")
    (message,) = answer.json()["data"]["message_ids"]
    await phones.drain()
    found = await phones.get(f"/api/v2/messages/{phones.kit.tenant}/{message}")
    assert (found["state"], phones.twilio.texts) == ("skipped", [])


async def test_what_ails_an_address_keeps_no_text_back(phones: Phones) -> None:
    ann, number = await phones.person(email="ann@example.com")
    campaign = await phones.campaign()
    await phones.kit.ok("POST", f"/{campaign}/pause")
    bounced = NewSuppression("ann@example.com", "hard_bounce", source="test")
    async with phones.kit.db.tenant_tx(phones.kit.tenant) as tx:
        await suppressions.add_many(tx, phones.kit.tenant, [bounced])
        await recipients.skip_contacts(tx, phones.kit.tenant, [ann], "hard_bounce", phones.kit.clock.now())
    await phones.kit.ok("POST", f"/{campaign}/resume")
    await phones.drain()
    assert await phones.states(campaign) == {number: "accepted"}


async def test_who_asked_for_no_mails_gets_no_text(phones: Phones) -> None:
    ann, number = await phones.person()
    campaign = await phones.campaign()
    async with phones.kit.db.tenant_tx(phones.kit.tenant) as tx:
        await recipients.skip_contacts(tx, phones.kit.tenant, [ann], "unsubscribed", phones.kit.clock.now())
    await phones.drain()
    assert await phones.states(campaign) == {number: "skipped"}


async def test_a_phone_is_read_again_when_it_is_in_another_country(phones: Phones) -> None:
    contact, _ = await phones.person("0612345678")
    french, _ = await phones.person("0612345679")
    draft = await phones.draft()
    path = f"/api/v2/contacts/{phones.kit.tenant}"

    async def numbers() -> list[str | None]:
        await phones.kit.ok("GET", f"/{draft['id']}/audience")
        return [(await phones.get(f"{path}/{one}"))["phone_e164"] for one in (contact, french)]

    assert await numbers() == ["+10612345678", "+10612345679"]
    await phones.kit.request("PUT", f"{path}/{french}", json={"country": "FR"})
    assert await numbers() == ["+10612345678", "+33612345679"]
    await phones.set_up(default_region="BE")
    assert await numbers() == ["+32612345678", "+33612345679"]
