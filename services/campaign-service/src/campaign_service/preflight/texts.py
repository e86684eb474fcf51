"""The preflight of a campaign by SMS: words, sender, people, parts, price and codes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from campaign_service.campaigns.audience.choice import selection_of
from campaign_service.campaigns.audience.service import UnknownTagsError
from campaign_service.rendering.liquid_env import parse
from campaign_service.rendering.model import RenderError
from campaign_service.rendering.variables import unknown_variables
from campaign_service.segments.service import UnknownSegmentError
from campaign_service.sms import accounts, content
from campaign_service.sms import campaigns as sms
from campaign_service.sms.accounts import Account
from campaign_service.sms.content import SmsText, Written
from campaign_service.sms.links.rewriting import urls_in
from campaign_service.sms.segments import count
from shared.database import Tx
from shared.errors import BusinessRuleError
from shared.web import Runtime

from .codes import check_codes
from .contents import check_links, without_default
from .schemas import Check, error, ok, unknown, warning

Campaign = dict[str, Any]
_SOMEBODY = {
    "email": "recipient@example.com",
    "first_name": "Anna",
    "last_name": "Berg",
    "phone_e164": "+12025550123",
    "code": "SAMPLE-CODE",
}
_LONG = timedelta(hours=12)
_MANY_PARTS = 3


async def words(tx: Tx, rt: Runtime, campaign: Campaign) -> list[Check]:
    """What is said, in every language and variant that somebody may get."""
    try:
        written = await content.load(tx, campaign)
        texts = await sms.sample_texts(tx, rt, campaign)
    except BusinessRuleError as failure:
        return [error("template", failure.message, "Choose another template or language")]
    checks: list[Check] = []
    for number, one in written.items():
        text = texts.of(number)
        if text is not None and (number or not texts.is_varied):
            checks += _of(f"variant {number}, " if number else "", one, text)
    return checks


def _of(place: str, written: Written, text: SmsText) -> Iterator[Check]:
    for language, source in written.sources.items():
        name = f"{place}{language}"
        yield check_links(name, urls_in(source, "tidings:"))
        yield _fields(name, source)
        try:
            body = text.fill(language, {**_SOMEBODY, "language": language})
        except RenderError as failure:
            advice = "Give fields a default, and keep within 1,600 characters"
            yield warning("rendering", f"It cannot be made for an invented person: {failure}", advice, name)
            continue
        yield _opt_out(name, body)
        yield _length(name, body)


def _fields(name: str, source: str) -> Check:
    paths = parse(source, "text", "text").global_variable_paths()
    if never := unknown_variables(path for path in paths if path != "phone"):
        said = "; ".join(f"Unknown variable {path}: it stays empty" for path in never)
        return error("merge_fields", said, "Use the fields that contacts have", name)
    if bare := sorted(set(without_default(source))):
        advice = 'Write {{ first_name | default: "you" }}'
        return warning("merge_fields", f"Without a default: {', '.join(bare)}", advice, name)
    return ok("merge_fields", "All fields are known and have a default", name)


def _opt_out(name: str, body: str) -> Check:
    if sms.says_how_to_stop(body):
        return ok("opt_out", "The text says how to end them", name)
    return warning(
        "opt_out", "The text does not say how to end them", 'End it with "Reply STOP to end"', name
    )


def _length(name: str, body: str) -> Check:
    counted = count(body)
    said = f"About {counted.segments} part{'s' if counted.segments > 1 else ''} ({counted.encoding})"
    if counted.odd:
        shown = " ".join(counted.odd[:10])
        advice = f"Write without {shown}: each part then holds 160 characters, not 70"
        return warning("length", said, advice, name)
    if counted.segments > _MANY_PARTS:
        return warning("length", said, "Each part is paid for: shorten the text", name)
    return ok("length", said, name)


async def people(tx: Tx, rt: Runtime, campaign: Campaign, now: datetime) -> list[Check]:
    """Who would get it, from where, how long that takes and what it costs."""
    account = await accounts.find(tx, rt, tx.tenant)
    try:
        selection = await selection_of(tx, tx.tenant, campaign, now)
    except (UnknownTagsError, UnknownSegmentError) as failure:
        return [_sender(account), error("audience", failure.message, "Correct the tags and the segment")]
    found = await sms.audience(tx, rt, campaign, selection, now)
    checks = [_sender(account), _audience(found["count"]), _unreachable(found["not_eligible"])]
    if found["count"]:
        checks += _cost(found["sms"], account)
        checks += [_duration(found["count"], account)] if account else []
    return [*checks, *await check_codes(rt, campaign, found["count"])]


def _sender(account: Account | None) -> Check:
    if account is None:
        advice = "Set the account and its numbers with PUT /api/v2/sending/{tenant_id}/sms"
        return error("sender", "There is no SMS account with a number to send from", advice)
    sender = account.senders[0]
    if not sender.startswith("+") and not sender.startswith("MG"):
        advice = "Say in the text where to stop them, or send from a number"
        return warning("sender", f"Nobody can answer {sender} with STOP", advice)
    more = len(account.senders) - 1
    return ok("sender", f"Texts go from {sender}{f' and {more} more' if more else ''}")


def _audience(number: int) -> Check:
    if not number:
        advice = "Choose other tags, or import contacts with numbers who want texts"
        return error("audience", "Nobody would get this text", advice)
    return ok("audience", f"{number} people would get this text")


def _unreachable(why: dict[str, int]) -> Check:
    said = [
        f"{number} {words}"
        for reason, words in (("no_phone", "have no number"), ("no_sms_consent", "did not agree to texts"))
        if (number := why.get(reason))
    ]
    if said:
        return warning("unreachable", f"Of those chosen {' and '.join(said)}", "They are left out")
    return ok("unreachable", "All who were chosen have a number and agreed to texts")


def _cost(counted: dict[str, Any], account: Account | None) -> Iterator[Check]:
    about = "About " if counted["is_estimate"] else ""
    yield ok("parts", f"{about}{counted['segments']} parts for all of them")
    if counted["unsendable"]:
        advice = "Give the fields a default, and shorten the text"
        tell = warning if counted["segments"] else error
        yield tell("unsendable", f"{counted['unsendable']} texts would be empty or too long", advice)
    if account is None:
        yield unknown("price", "Without an account there are no prices")
    elif not counted["price_micros"]:
        advice = "Set prices with the account, to know before sending what it costs"
        yield warning("price", "No price is known", advice)
    else:
        price = counted["price_micros"] / 1_000_000
        yield ok("price", f"{about}{price:.2f} {counted['currency']} by the account's prices")


def _duration(number: int, account: Account) -> Check:
    rate = account.rate * len(account.senders)
    takes = timedelta(seconds=round(number / rate))
    said = f"At {rate:g} texts a second it takes {takes}, quiet hours aside"
    if takes > _LONG:
        return warning("rate", said, "Send from more numbers, or raise rate_per_sender if they may send more")
    return ok("rate", said)
