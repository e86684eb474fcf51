"""What is different about a campaign by SMS: who gets it, what it says, and what it will cost."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.ab import repository as ab
from campaign_service.campaigns import repository as campaigns
from campaign_service.campaigns.audience.repository import Languages, Places, Selection, Split
from campaign_service.code_pools.sample import sample_code
from campaign_service.rendering.model import RenderError
from campaign_service.sms import accounts, content, segments
from campaign_service.sms.accounts import Account
from campaign_service.sms.contacts import read_phones
from campaign_service.sms.content import Texts
from campaign_service.sms.links import repository as links_repository
from campaign_service.sms.links import service as links
from campaign_service.sms.links.rewriting import Shorten
from campaign_service.sms.recipients import repository as recipients
from shared.database import Tx
from shared.errors import BusinessRuleError, NotFoundError, ValidationError
from shared.web import Runtime

Campaign = dict[str, Any]
#: So many people are counted one by one; beyond, the total follows from their average.
COUNTED = 20_000
_SAMPLE = 10
_SOMEBODY: dict[str, Any] = {"language": "en", "first_name": "Somebody"}
_STOP_WORDS = ("stop", "arret", "baja", "abmelden", "alto")


async def check(tx: Tx, tenant_id: UUID, fields: Campaign) -> None:
    """The text can be read, and its template is there. Raises ValidationError."""
    if fields["sms_text"] is None:
        template = await campaigns.template(tx, tenant_id, fields["template_id"])
        if template is None or template["is_archived"]:
            raise ValidationError("There is no such template", field="template_id")
    campaign = {**fields, "tenant_id": tenant_id, "template_version": None}
    try:
        content.compiled(campaign, await content.load(tx, campaign), _as_written)
    except BusinessRuleError as error:
        raise ValidationError(error.message, field=error.field) from error


def _as_written(_: int) -> Shorten:
    return lambda _: None


async def check_variants(tx: Tx, campaign: Campaign, variants: list[dict[str, Any]]) -> None:
    """Each variant has words of its own that can be read. Raises ValidationError."""
    written = {0: (await content.load(tx, campaign))[0]}
    for number, variant in enumerate(variants, start=1):
        if variant["subject"] is not None or variant["from_name"] is not None:
            said = "A text has neither subject nor name of a sender"
            raise ValidationError(said, field=f"variants.{number - 1}")
        try:
            written[number] = await content.of_variant(tx, campaign, {**variant, "template_version": None})
        except BusinessRuleError as error:
            raise ValidationError(error.message, field=f"variants.{number - 1}.template_id") from error
    content.compiled(campaign, written, _as_written)


async def start(
    tx: Tx,
    rt: Runtime,
    campaign: Campaign,
    selection: Selection,
    now: datetime,
    places: Places,
    split: Split,
) -> tuple[int | None, int, int]:
    """Freeze words, links and audience; (template version, to be sent, skipped).

    Raises SmsNotConfiguredError.
    """
    tenant_id, campaign_id = campaign["tenant_id"], campaign["id"]
    account = await accounts.require(tx, rt, tenant_id)
    written = await content.load(tx, campaign)
    plain = written[0]
    await read_phones(tx, tenant_id, account.default_region)
    languages = Languages(campaign["language"], tuple(plain.sources), plain.default)
    queued, skipped = await recipients.freeze(
        tx, tenant_id, campaign_id, selection, languages, now, places, split
    )
    sent = {number: one for number, one in written.items() if number or not split.variants}
    await links.freeze(tx, rt, campaign, {number: list(one.sources.values()) for number, one in sent.items()})
    for number, one in written.items():
        if number and one.version is not None:
            await ab.set_version(tx, tenant_id, campaign_id, number, one.version)
    return plain.version, queued, skipped


async def sample_texts(tx: Tx, rt: Runtime, campaign: Campaign) -> Texts:
    """The campaign's texts with links as long as theirs will be."""
    shorten = links.sample(rt)
    return content.compiled(campaign, await content.load(tx, campaign), lambda _: shorten)


async def audience(
    tx: Tx, rt: Runtime, campaign: Campaign, selection: Selection, now: datetime
) -> dict[str, Any]:
    """Counts, a sample, and the segments and price of the texts they would get."""
    tenant_id = campaign["tenant_id"]
    account = await _ready(tx, rt, tenant_id)
    people = 0
    suppressed: dict[str, int] = {}
    not_eligible: dict[str, int] = {}
    for why, number in await recipients.counts(tx, tenant_id, selection, now):
        kind, _, reason = why.partition(":")
        if why == "eligible":
            people = number
        elif kind == "suppressed":
            suppressed[reason] = number
        else:
            not_eligible[reason or kind] = number
    text = await sample_texts(tx, rt, campaign)
    code = await sample_code(rt, campaign)
    estimate, sample = await _estimate(tx, campaign, text, code, account, selection, now, people)
    return {
        "count": people,
        "suppressed": suppressed,
        "not_eligible": not_eligible,
        "sample": sample,
        "sms": estimate,
    }


async def _ready(tx: Tx, rt: Runtime, tenant_id: UUID) -> Account | None:
    """The account, once new numbers have been read: a request that only looks cannot write them."""
    account = await accounts.find(tx, rt, tenant_id)
    async with rt.db.tenant_tx(tenant_id) as own:
        await read_phones(own, tenant_id, await accounts.region_of(own, tenant_id))
    return account


async def _estimate(
    tx: Tx,
    campaign: Campaign,
    text: Texts,
    code: str | None,
    account: Account | None,
    selection: Selection,
    now: datetime,
    people: int,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    by_segments: Counter[int] = Counter()
    encodings: Counter[str] = Counter()
    sample: list[dict[str, Any]] = []
    total = price = unsendable = 0
    async for person in recipients.eligible(tx, campaign["tenant_id"], selection, now, COUNTED):
        if len(sample) < _SAMPLE:
            sample.append(person)
        try:
            body = text.longest(campaign["language"] or person["language"], person | {"code": code})
        except RenderError:
            unsendable += 1
            continue
        counted = segments.count(body)
        by_segments[counted.segments] += 1
        encodings[counted.encoding] += 1
        total += counted.segments
        price += account.price(person["phone_e164"], counted.segments) if account else 0
    scale = people / COUNTED if people > COUNTED else 1
    return {
        "segments": round(total * scale),
        "price_micros": round(price * scale),
        "currency": account.currency if account else None,
        "recipients_by_segments": dict(sorted(by_segments.items())),
        "recipients_by_encoding": dict(encodings),
        "unsendable": unsendable,
        "is_estimate": scale > 1 or text.is_varied,
        "is_configured": account is not None,
    }, sample


async def preview(
    tx: Tx,
    rt: Runtime,
    campaign: Campaign,
    contact_id: UUID | None,
    language: str | None,
    variant: int | None,
) -> dict[str, Any]:
    """The text as one contact would get it (default: the tenant's first), counted and priced."""
    tenant_id = campaign["tenant_id"]
    text = (await sample_texts(tx, rt, campaign)).of(variant or 0)
    if text is None:
        raise NotFoundError("There is no such variant")
    account = await _ready(tx, rt, tenant_id)
    person = await campaigns.contact(tx, tenant_id, contact_id) or _SOMEBODY
    chosen = text.choose(language or campaign["language"], person["language"])
    warnings: list[str] = []
    try:
        body = text.fill(chosen, {**person, "code": await sample_code(rt, campaign)})
    except RenderError as error:
        body, warnings = "", [f"The text cannot be made for this person: {error}"]
    counted = segments.count(body)
    number = person.get("phone_e164")
    return {
        "text": body,
        "language": chosen,
        "contact_id": person.get("id"),
        "warnings": warnings + _advice(body, counted, account),
        "sms": {
            "encoding": counted.encoding,
            "units": counted.units,
            "segments": counted.segments,
            "price_micros": account.price(number or "", counted.segments) if account else None,
            "currency": account.currency if account else None,
        },
    }


async def link_clicks(tx: Tx, campaign: Campaign) -> list[dict[str, Any]]:
    """The links of a started campaign and people's clicks; each link's own figures tell of scanners."""
    rows = await links_repository.clicked(tx, campaign["tenant_id"], campaign["id"])
    return [
        {"link_index": index, "clicks_scanner": 0, "clicks_unknown": 0, **row}
        for index, row in enumerate(rows)
    ]


def says_how_to_stop(body: str) -> bool:
    """Whether one of the words is in it with which texts are ended."""
    return any(word in body.casefold() for word in _STOP_WORDS)


def _advice(body: str, counted: segments.Counted, account: Account | None) -> list[str]:
    warnings = []
    if counted.odd:
        shown = " ".join(counted.odd[:10])
        warnings.append(f"These characters make the text longer to send (UCS-2): {shown}")
    if body and not says_how_to_stop(body):
        warnings.append("The text does not say how to end them (reply STOP)")
    if account is None:
        warnings.append("There is no SMS account to send from")
    return warnings
