"""Texts through the public door: codes and links in them, signed reports, STOP, a missed call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from tests.e2e.system import Customer, System
from tests.simulators import twilio

NUMBER = "+15005550006"
TOKEN = "fedcba9876543210" * 2
BROWSER = "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36"
PEOPLE = [f"+1202555{number:04d}" for number in range(100, 105)]


@dataclass
class Phones:
    """One tenant's texts, and the provider at the other end."""

    system: System
    customer: Customer
    provider: twilio.TwilioSimulator
    source: str

    def path(self, kind: str, *more: str) -> str:
        return "/".join((f"/api/v2/{kind}/{self.customer.tenant}", *more))

    def hook(self, form: dict[str, str], token: str = TOKEN) -> httpx.Response:
        """As the provider posts: a form, signed over the address it was given."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": twilio.signature(token, self.source, form),
        }
        return self.system.http.post(urlsplit(self.source).path, content=urlencode(form), headers=headers)

    def campaign(self, text: str, **fields: Any) -> str:
        """A started campaign by SMS, when it is over."""
        body = {"name": "Texts", "channel": "sms", "sms_text": text, **fields}
        campaign = str(self.customer.gateway.post("/api/v2/campaigns", body)["id"])
        path = self.path("campaigns", campaign)
        self.customer.gateway.post(f"{path}/send")
        self.system.wait(
            lambda: self.customer.gateway.get(path), lambda seen: seen["status"] == "sent", "the texts"
        )
        return campaign

    def states(self, campaign: str) -> dict[str, str]:
        rows = self.customer.gateway.get(self.path("campaigns", campaign, "recipients"))
        return {row["phone"]: row["state"] for row in rows}


@pytest.fixture
def phones(system: System, customer: Customer) -> Iterator[Phones]:
    """An account with the simulated provider, which tells what it knows to a webhook of the tenant."""
    system.prove(customer)
    provider = twilio.TwilioSimulator(token=TOKEN)
    hook = {"name": "SMS provider", "type": "twilio", "signing_secret": TOKEN}
    source = customer.gateway.post("/webhook-sources", hook)["url"]
    account = {
        "account_sid": twilio.SID,
        "auth_token": TOKEN,
        "numbers": [{"number": NUMBER}],
        "status_callback_url": source,
        "rate_per_sender": 500,
        "quiet_hours": None,
        "text_back": "Sorry we missed you. What is it about?",
    }
    customer.gateway.send("PUT", f"/api/v2/sending/{customer.tenant}/sms", json=account)
    for number in PEOPLE:
        consent = {"sms_marketing_consent": "yes"}
        customer.gateway.post("/api/v2/contacts", {"phone": number, "custom_fields": consent})
    with (
        start_blocking_portal() as thread,
        thread.wrap_async_context_manager(twilio.running(provider, system.outside.twilio)),
    ):
        yield Phones(system, customer, provider, source)


def test_a_campaign_with_codes_and_links_and_what_becomes_of_it(system: System, phones: Phones) -> None:
    gateway = phones.customer.gateway
    names = {f"SPRING-{number}" for number in range(len(PEOPLE))}
    for name in names:
        gateway.post("/codes", {"code": name, "pool": "spring"})
    campaign = phones.campaign(
        "{{ code }} is yours: https://shop.test/spring Reply STOP to end", code_pool="spring"
    )
    assert sorted(text.to for text in phones.provider.texts) == PEOPLE
    assert {text.body.partition(" ")[0] for text in phones.provider.texts} == names
    assert {text.callback for text in phones.provider.texts} == {phones.source}
    (link,) = {found for text in phones.provider.texts for found in re.findall(r"https?://\S+", text.body)}
    followed = system.http.get(urlsplit(link).path, headers={"User-Agent": BROWSER})
    assert (followed.status_code, followed.headers["location"]) == (302, "https://shop.test/spring")

    lost, *arrived = phones.provider.texts
    for text in arrived:
        form = twilio.report_form(text.sid, "delivered", to=text.to, sender=NUMBER)
        assert phones.hook(form, token="another").status_code == 401
        assert phones.hook(form).status_code == 200
        assert phones.hook(form).status_code == 200
    phones.hook(twilio.report_form(lost.sid, "undelivered", to=lost.to, sender=NUMBER, error="30005"))
    expected = {"sent": 5, "delivered": 4, "bounced_hard": 1, "clicks_human": 1, "unique_clicks": 1}

    def figures() -> dict[str, int]:
        counts = gateway.get(phones.path("stats", "campaigns"))["counts"]
        return {name: counts[name] for name in expected}

    assert system.wait(figures, lambda seen: seen == expected, "the figures") == expected
    assert phones.states(campaign) == {text.to: "delivered" for text in arrived} | {lost.to: "bounced_hard"}
    suppressed = gateway.get(phones.path("suppressions"), channel="sms")
    assert [(row["address"], row["reason"]) for row in suppressed] == [(lost.to, "invalid")]


def test_who_answers_stop_gets_no_further_text(system: System, phones: Phones) -> None:
    gateway, (ann, *others) = phones.customer.gateway, PEOPLE
    form = twilio.inbound_form("SM" + "a" * 32, " Stop! ", sender=ann, to=NUMBER)
    assert phones.hook(form, token="another").status_code == 401
    answer = phones.hook(form)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/xml")
    (told,) = system.wait(lambda: phones.provider.bodies(ann), lambda bodies: len(bodies) == 1, "the answer")
    assert told.startswith("You are unsubscribed")
    campaign = phones.campaign("Hello. Reply STOP to end")
    assert phones.provider.bodies(ann) == [told]
    assert sorted(text.to for text in phones.provider.texts if text.to != ann) == others
    assert phones.states(campaign)[ann] == "skipped"
    (conversation,) = gateway.get(phones.path("conversations"), phone=ann)
    assert conversation["status"] == "opted_out"


def test_a_missed_call_is_texted_back_and_opens_a_lead(system: System, phones: Phones) -> None:
    gateway, caller = phones.customer.gateway, "+12025550199"
    assert phones.hook(twilio.call_form("CA1", "no-answer", caller=caller, to=NUMBER)).status_code == 200
    system.wait(lambda: phones.provider.bodies(caller), lambda bodies: len(bodies) == 1, "the text")
    (lead,) = gateway.get(phones.path("leads"))
    assert (lead["customer_phone"], lead["source"], lead["status"]) == (caller, "missed_call", "new")
    said = twilio.inbound_form("SM" + "b" * 32, "The heating is broken", sender=caller, to=NUMBER)
    phones.hook(said)
    leads = system.wait(
        lambda: gateway.get(phones.path("leads")), lambda rows: rows[0]["problem_description"], "the answer"
    )
    assert leads[0]["problem_description"] == "The heating is broken"
    detail = gateway.get(phones.path("conversations", leads[0]["conversation_id"]))
    assert [call["status"] for call in detail["calls"]] == ["missed"]
