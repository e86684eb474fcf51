"""A campaign by SMS: counted and priced before it goes, reported on afterwards, and ended by STOP."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import urlencode, urlsplit

from anyio.from_thread import start_blocking_portal

from demo import portal as photos
from demo.account import new_tenant
from demo.client import Gateway, wait_for
from demo.figures import counts_of
from demo.story import Story
from tests.simulators import netlife, twilio

_NUMBER = "+15005550006"
_TOKEN = "0123456789abcdef" * 2
_MICROS = 7_900
_PLAIN = "Hi {{ first_name }}, the portraits are ready: {{ contact.custom.gallery_url }} Reply STOP to end"
_PICTURE = "\N{CAMERA} "
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ÄÖÑÜ§¿äöñüà"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)


def text_parents(story: Story) -> None:
    """A studio reads its portal and texts the parents. Everything outside of us is simulated here."""
    story.report.step("A photo studio collects its portal")
    if not story.outside.is_simulated:
        story.report.say("Left out, with the texts: this installation is not joined to simulated servers.")
        return
    site, phones = photos.make_simulator(), twilio.TwilioSimulator(token=_TOKEN)
    with (
        start_blocking_portal() as thread,
        thread.wrap_async_context_manager(netlife.running(site, story.outside.portal)),
        thread.wrap_async_context_manager(twilio.running(phones, story.outside.twilio)),
        new_tenant(story, "Harbor School Photos", "studio") as studio,
    ):
        photos.collect(studio, story.report, site)
        _text(story, studio, phones, photos.numbers(site.portal, site.address))


def _text(story: Story, studio: Gateway, phones: twilio.TwilioSimulator, numbers: set[str]) -> None:
    story.report.step("The parents get a text")
    source = _set_up(studio)
    campaign = _create(story, studio)
    path = f"/api/v2/campaigns/{studio.tenant_id}/{campaign}"
    with_picture = studio.get(f"{path}/audience")
    studio.send("PUT", path, json={"sms_text": _PLAIN})
    without = studio.get(f"{path}/audience")
    studio.post(f"{path}/send")
    wait_for(
        lambda: studio.get(f"{path}/progress"),
        lambda seen: seen["status"] == "sent",
        what="the texts",
        seconds=60,
    )
    texts = list(phones.texts)
    _check_cost(story, (with_picture["sms"], without["sms"]), texts)
    unreachable = _report(story, source, texts)
    _check_figures(story, studio, campaign, numbers, texts, unreachable)
    _stop(story, studio, phones, source, path)


def _set_up(studio: Gateway) -> str:
    """The account at the provider, and where it tells us what became of texts; that address."""
    hook = {"name": "SMS provider", "type": "twilio", "signing_secret": _TOKEN}
    source: str = studio.post("/webhook-sources", hook)["url"]
    account = {
        "account_sid": twilio.SID,
        "auth_token": _TOKEN,
        "numbers": [{"number": _NUMBER}],
        "status_callback_url": source,
        "rate_per_sender": 500,
        # The demo is played at any hour.
        "quiet_hours": None,
        "prices": {"currency": "USD", "default": 70_000, "by_country": {"US": _MICROS}},
    }
    studio.send("PUT", f"/api/v2/sending/{studio.tenant_id}/sms", json=account)
    return source


def _create(story: Story, studio: Gateway) -> str:
    body = {
        "name": "Portraits are ready",
        "channel": "sms",
        "sms_text": _PICTURE + _PLAIN,
        "tags_all": [photos.TAG],
    }
    made = studio.post("/api/v2/campaigns", body)
    shown = studio.get(f"/api/v2/campaigns/{studio.tenant_id}/{made['id']}/preview")
    story.report.say(f"Draft: {shown['text']}")
    for warning in shown["warnings"]:
        story.report.say(f"Warning: {warning}")
    return str(made["id"])


def _check_cost(story: Story, estimates: tuple[Any, Any], texts: list[twilio.Text]) -> None:
    """What was said before sending, against the texts that the provider has got."""
    rows: list[tuple[str, object, object]] = []
    for name, picture, estimate in zip(("with picture", "as sent"), (_PICTURE, ""), estimates, strict=True):
        segments = sum(segments_of(picture + text.body) for text in texts)
        rows += [
            (f"{name}: segments", segments, estimate["segments"]),
            (f"{name}: cost in USD", _dollars(segments * _MICROS), _dollars(estimate["price_micros"])),
        ]
    story.report.table("Cost", rows)


def segments_of(text: str) -> int:
    """Parts of a text: of 7-bit characters where the alphabet allows it, else of 16-bit units."""
    is_plain = all(c in _GSM for c in text)
    units = len(text) if is_plain else len(text.encode("utf-16-le")) // 2
    one, part = (160, 153) if is_plain else (70, 67)
    return 1 if units <= one else -(-units // part)


def _dollars(micros: int) -> str:
    return f"{micros / 1_000_000:.2f}"


def _post(story: Story, address: str, form: dict[str, str]) -> None:
    """As the provider posts: a form, signed over the address that it was given."""
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": twilio.signature(_TOKEN, address, form),
    }
    story.gateway.send_unsigned("POST", urlsplit(address).path, content=urlencode(form), headers=headers)


def _report(story: Story, source: str, texts: list[twilio.Text]) -> int:
    """What became of each text; how many could not be delivered."""
    for place, text in enumerate(texts):
        error = "30005" if place % 40 == 7 else None
        status = "undelivered" if error else "delivered"
        _post(story, source, twilio.report_form(text.sid, status, to=text.to, sender=_NUMBER, error=error))
    return len(texts[7::40])


def _check_figures(
    story: Story, studio: Gateway, campaign: str, numbers: set[str], texts: list[twilio.Text], lost: int
) -> None:
    expected = {"sent": len(numbers), "delivered": len(numbers) - lost, "bounced_hard": lost, "failed": 0}

    def look() -> dict[str, int]:
        counts = counts_of(studio, campaign)
        return {name: counts[name] for name in expected}

    seen = wait_for(look, lambda seen: seen == expected, what="the reports of the texts", seconds=30)
    times = Counter(text.to for text in texts)
    story.report.table(
        "Texts",
        [
            ("parents with a number", len(numbers), len(numbers & times.keys())),
            ("numbers with two texts", 0, sum(number > 1 for number in times.values())),
            ("texts taken by the provider", len(numbers), len(texts)),
            ("sent", expected["sent"], seen["sent"]),
            ("delivered", expected["delivered"], seen["delivered"]),
            ("numbers that do not exist", expected["bounced_hard"], seen["bounced_hard"]),
        ],
    )
    story.report.say(f"To {texts[0].to}: {texts[0].body}")


def _stop(story: Story, studio: Gateway, phones: twilio.TwilioSimulator, source: str, path: str) -> None:
    """One parent answers STOP: they are told, and are in no further audience."""
    parent = phones.texts[0].to
    audience = studio.get(f"{path}/audience")
    form = twilio.inbound_form(f"SM{story.run:0>32}", "Stop", sender=parent, to=_NUMBER)
    _post(story, source, form)
    answers = wait_for(
        lambda: phones.bodies(parent)[1:],
        lambda bodies: len(bodies) == 1,
        what="the answer",
        seconds=30,
        every=0.1,
    )
    after = studio.get(f"{path}/audience")
    suppressed = studio.get(f"/api/v2/suppressions/{studio.tenant_id}", channel="sms", reason="unsubscribed")
    story.report.check("the number that opted out", [parent], [one["address"] for one in suppressed])
    story.report.say(f"{parent} answers Stop, and reads: {answers[0]}")
    story.report.table(
        "STOP",
        [
            ("numbers that opted out", 1, len(suppressed)),
            ("people less in the next audience", 1, audience["count"] - after["count"]),
        ],
    )
