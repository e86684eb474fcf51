"""What may be done with variants. The caller opens and commits the transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.ab import repository
from campaign_service.ab.content import contents_of
from campaign_service.ab.schemas import VariantsIn
from campaign_service.ab.significance import Figures, Verdict, judge, p_value
from campaign_service.campaigns import repository as campaigns
from campaign_service.campaigns.content import load_contents, tracked_links
from campaign_service.campaigns.holds import repository as holds
from campaign_service.campaigns.states import next_status
from campaign_service.rendering import Content, TemplateSyntaxError
from campaign_service.sms import campaigns as sms
from campaign_service.sms.links import repository as links
from shared.database import Tx
from shared.errors import BusinessRuleError, ConflictError, NotFoundError, ValidationError
from shared.utils import logger
from shared.web import Runtime

Campaign = dict[str, Any]
Test = dict[str, Any]
_DECIDABLE = ("sending", "paused", "sent", "partially_failed")


class TestStateError(ConflictError):
    """What was asked for does not fit how far the test is."""

    __test__ = False
    code = "TEST_STATE"


async def test_of(tx: Tx, campaign: Campaign) -> Test | None:
    """The campaign's test; None when it has no variants."""
    return await repository.find(tx, campaign["tenant_id"], campaign["id"])


async def put(
    tx: Tx, runtime: Runtime, tenant_id: UUID, campaign_id: UUID, body: VariantsIn, *, only_new: bool
) -> Campaign:
    """Give a draft or scheduled campaign these variants; with `only_new` it must have none."""
    campaign = await _editable(tx, tenant_id, campaign_id)
    existed = await repository.delete(tx, tenant_id, campaign_id)
    if existed and only_new:
        raise TestStateError("The campaign has variants")
    fields = body.model_dump()
    await _check(tx, runtime, campaign, fields["variants"])
    await repository.insert(tx, tenant_id, campaign_id, fields, fields["variants"])
    return campaign


async def delete(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> None:
    """The campaign is in one piece again."""
    await _editable(tx, tenant_id, campaign_id)
    if not await repository.delete(tx, tenant_id, campaign_id):
        raise NotFoundError("The campaign has no variants")


async def recheck(tx: Tx, runtime: Runtime, campaign: Campaign) -> None:
    """The variants fit the campaign as it is now. Raises ValidationError, as for those of another channel."""
    test = await test_of(tx, campaign)
    if test is None:
        return
    try:
        await _check(tx, runtime, campaign, test["variants"])
    except ValidationError as error:
        said = f"The campaign's variants do not fit: {error.message}. Replace them or take them away first"
        raise ValidationError(said, field=error.field, details=error.details) from error


async def copy(tx: Tx, tenant_id: UUID, campaign_id: UUID, copy_id: UUID) -> None:
    """The same variants for another campaign, not yet tested."""
    test = await repository.find(tx, tenant_id, campaign_id)
    if test is not None:
        await repository.insert(tx, tenant_id, copy_id, test, test["variants"])


async def _editable(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> Campaign:
    campaign = await campaigns.get(tx, tenant_id, campaign_id, lock=True)
    if campaign is None:
        raise NotFoundError("There is no such campaign")
    next_status(campaign["status"], "edit")
    return campaign


async def _check(tx: Tx, runtime: Runtime, campaign: Campaign, variants: list[dict[str, Any]]) -> None:
    """Each variant can be made as things are now; `TemplateSyntaxError` and `ValidationError` otherwise."""
    if campaign["channel"] == "sms":
        await sms.check_variants(tx, campaign, variants)
        return
    template = await campaigns.template(tx, campaign["tenant_id"], campaign["template_id"])
    assert template is not None, "the campaign's foreign key keeps its template"
    plain = await load_contents(tx, campaign["tenant_id"], template["id"], template["current_version"])
    for number, variant in enumerate(variants, start=1):
        if variant["sms_text"] is not None:
            raise ValidationError("A mail has no sms_text", field=f"variants.{number - 1}.sms_text")
        asked = {**variant, "number": number, "template_version": None}
        try:
            contents, _ = await contents_of(tx, campaign, asked, plain)
        except BusinessRuleError as error:
            raise ValidationError(error.message, field=f"variants.{number - 1}.template_id") from error
        with _naming(number):
            tracked_links(runtime, campaign, contents, template["default_language"])


@contextmanager
def _naming(number: int) -> Iterator[None]:
    """Errors of a template say whose it is."""
    try:
        yield
    except TemplateSyntaxError as error:
        said = f"Variant {number}, {error.message}"
        field = f"variants.{number - 1}.{error.field}"
        raise TemplateSyntaxError(said, field=field, details=error.details) from error


async def freeze(
    tx: Tx, runtime: Runtime, campaign: Campaign, plain: dict[str, Content], default_language: str
) -> list[str]:
    """Fix the versions of the variants' templates; the links of all mails of the campaign, each once."""
    links = dict.fromkeys(tracked_links(runtime, campaign, plain, default_language))
    test = await test_of(tx, campaign)
    for variant in test["variants"] if test else ():
        contents, version = await contents_of(tx, campaign, variant, plain)
        links |= dict.fromkeys(tracked_links(runtime, campaign, contents, default_language))
        if version is not None:
            number = variant["number"]
            await repository.set_version(tx, campaign["tenant_id"], campaign["id"], number, version)
    return list(links)


async def advance(tx: Tx, campaign: Campaign, now: datetime) -> None:
    """Do what a test is due for: see that its group has its mails, and choose the winner after the wait.

    The decision and the figures it rests on are one transaction, so it is made once whoever tries.
    """
    tenant_id, campaign_id = campaign["tenant_id"], campaign["id"]
    test = await repository.find(tx, tenant_id, campaign_id, lock=True)
    if test is None or test["winner"] is not None:
        return
    if test["tested_at"] is None:
        if campaign["status"] not in ("sending", "sent", "partially_failed"):
            return
        if await holds.is_testing(tx, tenant_id, campaign_id):
            return
        await repository.set_tested(tx, tenant_id, campaign_id, now)
        test = await repository.find(tx, tenant_id, campaign_id)
    if test and test["automatic"] and test["decide_at"] <= now:
        reactions = await _figures(tx, campaign, test)
        verdict = judge(reactions)
        await repository.set_winner(tx, tenant_id, campaign_id, verdict, reactions, None, now)
        logger.info("variant won", campaign_id=str(campaign_id), **_named(verdict))


def _named(verdict: Verdict) -> dict[str, Any]:
    return {"winner": verdict.winner, "outcome": verdict.outcome, "p_value": verdict.p_value}


async def figures(tx: Tx, campaign: Campaign) -> dict[int, dict[str, int]]:
    """Variant to its figures; 0 are those who have none. Clicks in texts are counted by the visitor."""
    tenant_id, campaign_id = campaign["tenant_id"], campaign["id"]
    found = await repository.figures(tx, tenant_id, campaign_id)
    if campaign["channel"] == "sms":
        people = await links.people_by_variant(tx, tenant_id, campaign_id)
        for variant, counted in found.items():
            # One person's two telephones are two visitors.
            counted["clicks"] = min(people.get(variant, 0), counted["sent"])
    return found


async def _figures(tx: Tx, campaign: Campaign, test: Test) -> list[Figures]:
    found = await figures(tx, campaign)
    return [
        Figures(number, found[number]["sent"], found[number][test["metric"]])
        if number in found
        else Figures(number, 0, 0)
        for number in (variant["number"] for variant in test["variants"])
    ]


async def win(
    tx: Tx, tenant_id: UUID, campaign_id: UUID, number: int, user_id: UUID, now: datetime
) -> Campaign:
    """Somebody has chosen: the others get variant `number`. Raises `TestStateError` when one won already."""
    campaign = await campaigns.get(tx, tenant_id, campaign_id, lock=True)
    test = await repository.find(tx, tenant_id, campaign_id, lock=True)
    if campaign is None or test is None:
        raise NotFoundError(
            "There is no such campaign" if campaign is None else "The campaign has no variants"
        )
    if number not in {variant["number"] for variant in test["variants"]}:
        raise NotFoundError("There is no such variant")
    if campaign["status"] not in _DECIDABLE:
        raise TestStateError(f"A campaign whose status is {campaign['status']} has no winner to choose")
    if test["winner"] is not None:
        raise TestStateError(f"Variant {test['winner']} has won", details={"winner": test["winner"]})
    reactions = await _figures(tx, campaign, test)
    verdict = Verdict(number, "by_hand", _p_of(number, reactions))
    await repository.set_winner(tx, tenant_id, campaign_id, verdict, reactions, user_id, now)
    return campaign


def _p_of(number: int, figures: list[Figures]) -> float | None:
    mine = [figure for figure in figures if figure.number == number]
    others = [figure for figure in figures if figure.number != number]
    return p_value(
        sum(figure.reactions for figure in mine),
        sum(figure.tested for figure in mine),
        sum(figure.reactions for figure in others),
        sum(figure.tested for figure in others),
    )
