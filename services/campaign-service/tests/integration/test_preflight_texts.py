"""The usual mistakes are found before texts are sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from .campaigns_kit import Kit
from .sms_kit import Phones, open_phones

GOOD = "Hello {{ first_name | default: 'you' }}, see https://shop.test/spring. Reply STOP to end"


@pytest.fixture
async def phones(kit: Kit) -> AsyncIterator[Phones]:
    async with open_phones(kit) as opened:
        yield opened


async def checks(phones: Phones, text: str, **fields: Any) -> dict[str, dict[str, Any]]:
    """Each check by its name, and the worst status of all under `all`."""
    draft = await phones.draft(text, **fields)
    found = await phones.kit.ok("GET", f"/{draft['id']}/preflight")
    assert all(check["advice"] or check["status"] in ("ok", "unknown") for check in found["checks"])
    return {check["name"]: check for check in found["checks"]} | {"all": {"status": found["status"]}}


async def test_a_good_text_passes_and_is_counted_and_priced(phones: Phones) -> None:
    for phone in ("+12025550101", "+12025550102", "+33639981234"):
        await phones.person(phone)
    found = await checks(phones, GOOD)
    assert {name: check["status"] for name, check in found.items() if check["status"] != "ok"} == {}
    assert set(found) == {
        *("all", "links", "merge_fields", "opt_out", "length", "sender", "audience", "unreachable"),
        *("parts", "price", "rate", "last_import"),
    }
    assert found["audience"]["message"] == "3 people would get this text"
    assert found["parts"]["message"] == "3 parts for all of them"
    assert found["price"]["message"] == "0.09 USD by the account's prices"
    assert "+15005550006" in found["sender"]["message"]


async def test_who_cannot_be_reached_is_counted(phones: Phones) -> None:
    await phones.person()
    await phones.person(consent=None)
    await phones.kit.add_contacts(2)
    found = await checks(phones, GOOD)
    assert found["unreachable"]["status"] == "warning"
    assert "2 have no number and 1 did not agree" in found["unreachable"]["message"]


@pytest.mark.parametrize(
    ("text", "name", "status"),
    [
        ("See https://yourdomain.com/x. Reply STOP", "links", "error"),
        ("Hello {{ nickname }}. Reply STOP", "merge_fields", "error"),
        ("Hello {{ first_name }}. Reply STOP", "merge_fields", "warning"),
        ("Hello", "opt_out", "warning"),
        ("Hello Zoë 🌷. Reply STOP", "length", "warning"),
        ("{{ contact.custom.offer }}", "rendering", "warning"),
        ("{{ contact.custom.offer }}", "unsendable", "error"),
    ],
)
async def test_mistakes_in_the_words_are_found(phones: Phones, text: str, name: str, status: str) -> None:
    await phones.person()
    found = await checks(phones, text)
    assert found[name]["status"] == status


async def test_a_mistake_in_the_words_keeps_texts_from_being_sent(phones: Phones) -> None:
    await phones.person()
    draft = await phones.draft("See https://yourdomain.com/x. Reply STOP")
    refused = await phones.kit.campaigns("POST", f"/{draft['id']}/send")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "PREFLIGHT_FAILED")
    await phones.kit.ok("POST", f"/{draft['id']}/send?force=true")


async def test_each_variant_is_read_and_the_plain_text_nobody_gets_is_not(phones: Phones) -> None:
    draft = await phones.draft("See https://yourdomain.com/x")
    body = {"variants": [{"sms_text": GOOD}, {"sms_text": "No word of it"}]}
    await phones.kit.ok("PUT", f"/{draft['id']}/variants", json=body)
    found = await phones.kit.ok("GET", f"/{draft['id']}/preflight")
    told = {(check["name"], check["content"]): check["status"] for check in found["checks"]}
    assert told["opt_out", "variant 1, en"] == "ok"
    assert told["opt_out", "variant 2, en"] == "warning"
    assert {status for (name, _), status in told.items() if name == "links"} == {"ok"}


async def test_a_sender_without_a_number_and_a_long_queue_are_told(phones: Phones) -> None:
    await phones.people(2)
    await phones.set_up(numbers=[], sender_id="Garden", rate_per_sender=0.00001, prices={"currency": "EUR"})
    found = await checks(phones, GOOD)
    assert [found[name]["status"] for name in ("sender", "rate", "price")] == ["warning"] * 3
    assert "Garden" in found["sender"]["message"]


async def test_without_an_account_nothing_can_be_sent(kit: Kit) -> None:
    body = {"name": "Texts", "channel": "sms", "sms_text": GOOD, "tags_all": []}
    made = (await kit.request("POST", "/api/v2/campaigns", json=body)).json()["data"]
    found = await kit.ok("GET", f"/{made['id']}/preflight")
    told = {check["name"]: check["status"] for check in found["checks"]}
    assert (told["sender"], told["audience"]) == ("error", "error")
