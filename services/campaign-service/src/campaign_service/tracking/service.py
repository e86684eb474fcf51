"""Recording hits and unsubscribes with everything that follows from them, in the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from campaign_service.campaigns.recipients import repository as recipients
from campaign_service.contacts import repository as contacts
from campaign_service.deliveries.rows import hash_of
from campaign_service.messages.references import message_subject
from campaign_service.sending.tokens import TokenSubject
from campaign_service.settings import site_of
from campaign_service.stats import repository as stats
from campaign_service.stats.deltas import Deltas
from campaign_service.suppressions import repository as suppressions
from campaign_service.suppressions.repository import NewSuppression
from campaign_service.tracking import repository
from campaign_service.tracking.hits import Hit, Judged, Person, judge_person
from campaign_service.tracking.repository import RecipientRow
from campaign_service.tracking.verdict import Verdict
from shared.database import Tx
from shared.errors import NotFoundError
from shared.events import Event, new_event
from shared.web import Runtime

Links = dict[tuple[UUID, UUID], list[str]]
Via = Literal["one_click", "page", "mailto", "provider"]


@dataclass(slots=True)
class Recorded:
    """Outcome of a batch: the hits that were new, with their verdicts; the links of their campaigns; how many
    were on record before."""

    hits: list[tuple[Hit, Verdict]]
    links: Links
    repeated: int = 0


async def record_hits(tx: Tx, runtime: Runtime, hits: Sequence[Hit]) -> Recorded:
    """Judge and record hits, count them, and publish those of people.

    Hits on campaigns or recipients that are not there are left out. Repeats change nothing.
    """
    rows = await repository.lock_recipients(tx, (hit.person for hit in hits))
    links = await repository.links(tx, ((hit.tenant_id, hit.campaign_id) for hit in hits))
    present = {hit.dedupe_key: hit for hit in hits if hit.person in rows}
    # Web requests have keys of their own: only what other systems report can come twice.
    known = await repository.known_keys(tx, [hit for hit in present.values() if not hit.is_request])
    fresh = [hit for key, hit in present.items() if key not in known]
    judged = await _judge(tx, fresh, rows, links)
    recorded = [pair for person in judged.values() for pair in person.verdicts]
    if recorded:
        await repository.insert_hits(tx, recorded)
        await _count(tx, rows, judged)
        await _publish(tx, runtime, recorded, rows, links)
    return Recorded(recorded, links, len(present) - len(fresh))


async def _judge(
    tx: Tx, hits: Sequence[Hit], rows: dict[Person, RecipientRow], links: Links
) -> dict[Person, Judged]:
    clicks = await repository.clicks_near(tx, [hit for hit in hits if hit.kind == "click"])
    by_person: defaultdict[Person, list[Hit]] = defaultdict(list)
    for hit in hits:
        by_person[hit.person].append(hit)
    return {
        person: judge_person(
            own, clicks.get(person, []), rows[person].reached_at, len(links.get(person[:2], ()))
        )
        for person, own in by_person.items()
    }


async def _count(tx: Tx, rows: dict[Person, RecipientRow], judged: dict[Person, Judged]) -> None:
    deltas = Deltas()
    firsts: dict[Person, tuple[datetime | None, datetime | None]] = {}
    links: defaultdict[tuple[UUID, UUID, int], defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for person, result in judged.items():
        _count_requests(deltas, links, person, result)
        if result.rejudged:
            await repository.change_verdicts(tx, person[0], result.rejudged)
        before = (rows[person].first_opened_at, rows[person].first_clicked_at)
        after = await _firsts(tx, person, before, result)
        if after != before:
            firsts[person] = after
            count_people(deltas, person, before, after)
    if firsts:
        await repository.set_firsts(tx, firsts)
    if links:
        await repository.add_link_clicks(tx, {key: dict(counts) for key, counts in links.items()})
    await stats.add(tx, deltas)


def _count_requests(
    deltas: Deltas,
    links: defaultdict[tuple[UUID, UUID, int], defaultdict[str, int]],
    person: Person,
    result: Judged,
) -> None:
    tenant_id, campaign_id, _ = person
    changes = [(hit.kind, hit.link_index, hit.at, verdict, 1) for hit, verdict in result.verdicts]
    for click in result.rejudged:
        changes.append(("click", click.link_index, click.at, click.was or click.verdict, -1))
        changes.append(("click", click.link_index, click.at, click.verdict, 1))
    for kind, index, at, verdict, by in changes:
        deltas.add(tenant_id, campaign_id, at, f"{kind}s_{verdict}", by)
        if kind == "click" and index is not None:
            links[tenant_id, campaign_id, index][verdict] += by


async def _firsts(
    tx: Tx, person: Person, before: tuple[datetime | None, datetime | None], result: Judged
) -> tuple[datetime | None, datetime | None]:
    """Times of the first human open and click, the new hits included."""
    human = [hit for hit, verdict in result.verdicts if verdict == "human"]
    opened = [before[0], *(hit.at for hit in human if hit.kind == "open")]
    if any(click.was == "human" for click in result.rejudged):
        return _earliest(opened), await repository.first_human_click(tx, person)
    return _earliest(opened), _earliest([before[1], *(hit.at for hit in human if hit.kind == "click")])


def _earliest(moments: Sequence[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def count_people(
    deltas: Deltas,
    person: Person,
    before: tuple[datetime | None, datetime | None],
    after: tuple[datetime | None, datetime | None],
) -> None:
    """People count once, on the day of their first human open and click."""
    for column, old, new in zip(("unique_opens", "unique_clicks"), before, after, strict=True):
        if old is not None:
            deltas.add(person[0], person[1], old, column, -1)
        if new is not None:
            deltas.add(person[0], person[1], new, column, 1)


async def _publish(
    tx: Tx,
    runtime: Runtime,
    recorded: Sequence[tuple[Hit, Verdict]],
    rows: dict[Person, RecipientRow],
    links: Links,
) -> None:
    """Only what people did: scanners would drown it."""
    events = [
        _hit_event(runtime, hit, rows[hit.person], links) for hit, verdict in recorded if verdict == "human"
    ]
    await runtime.events.publish_many(tx, events)


def _hit_event(runtime: Runtime, hit: Hit, row: RecipientRow, links: Links) -> Event:
    data = {
        "message_id": message_id(runtime, hit.campaign_id, hit.contact_id, row.variant),
        "campaign_id": hit.campaign_id,
        "contact_id": hit.contact_id,
        "recipient": row.email,
        "occurred_at": hit.at,
        "variant": row.variant,
        "verdict": "human",
        "user_agent": hit.user_agent,
    }
    if hit.kind == "open":
        return new_event(
            "campaign.message.opened.v1", data, tenant_id=hit.tenant_id, subject=str(hit.contact_id)
        )
    urls = links.get((hit.tenant_id, hit.campaign_id), [])
    known = hit.link_index is not None and hit.link_index < len(urls)
    data["url"] = urls[hit.link_index] if known and hit.link_index is not None else ""
    return new_event(
        "campaign.message.clicked.v1", data, tenant_id=hit.tenant_id, subject=str(hit.contact_id)
    )


def message_id(runtime: Runtime, campaign_id: UUID, contact_id: UUID, variant: int) -> str:
    """The Message-ID of a mail, as its header has it."""
    site = site_of(runtime)
    return f"<{site.refs.make(campaign_id, contact_id, variant)}@{site.mail_domain}>"


@dataclass(frozen=True, slots=True)
class Subscription:
    """Whose link it is. `since` is when they unsubscribed by it, None while they have not."""

    email: str
    since: datetime | None
    variant: int = 0
    is_recipient: bool = True


async def subscription(tx: Tx, subject: TokenSubject) -> Subscription:
    """Who a token speaks of; `NotFoundError` when neither recipient nor contact is there any more."""
    row = await repository.subscription(tx, (subject.tenant_id, subject.campaign_id, subject.contact_id))
    if row is not None:
        return Subscription(row["email"], row["unsubscribed_at"], row["variant"])
    message_id = message_subject(subject.campaign_id, subject.contact_id)
    if message_id is not None:
        email = await repository.message_email(tx, subject.tenant_id, message_id)
    else:
        email = await repository.contact_email(tx, subject.tenant_id, subject.contact_id)
    if email is None:
        raise NotFoundError("This link is not valid any more")
    return Subscription(email, None, is_recipient=False)


async def unsubscribe(
    tx: Tx, runtime: Runtime, subject: TokenSubject, via: Via, now: datetime
) -> Subscription:
    """Stop all marketing mail to a person, under every address they have had here.

    Doing it again counts and tells nothing, but holds again what was lifted meanwhile.
    """
    person = (subject.tenant_id, subject.campaign_id, subject.contact_id)
    found = await subscription(tx, subject)
    is_new = await _suppress_person(tx, subject, found.email, via, now)
    if found.since is not None or not (found.is_recipient or is_new):
        return found
    if found.is_recipient:
        key = hash_of("unsubscribe", str(subject.campaign_id), str(subject.contact_id), repr(now.timestamp()))
        await repository.set_unsubscribed(tx, person, now, via, key)
        deltas = Deltas()
        deltas.add(subject.tenant_id, subject.campaign_id, now, "unsubscribed")
        await stats.add(tx, deltas)
    await _publish_unsubscribed(tx, runtime, subject, found, via, now)
    return found


async def _suppress_person(tx: Tx, subject: TokenSubject, email: str, via: Via, now: datetime) -> bool:
    """Whether any address was not held before."""
    is_message = message_subject(subject.campaign_id, subject.contact_id) is not None
    contact_id = subject.contact_id
    if is_message:
        contact_id = await contacts.id_of_email(tx, subject.tenant_id, email) or contact_id
    people = await suppressions.people(tx, subject.tenant_id, [contact_id])
    owner = people.get(contact_id, suppressions.Person((contact_id,), ()))
    new = [
        NewSuppression(
            address=address,
            reason="unsubscribed",
            scope="marketing",
            detail=f"{'message' if is_message else 'campaign'} {subject.campaign_id}",
            source=via,
        )
        for address in sorted({email.lower(), *owner.addresses})
    ]
    added = await suppressions.add_many(tx, subject.tenant_id, new)
    await recipients.skip_contacts(tx, subject.tenant_id, sorted(owner.ids), "unsubscribed", now)
    return added > 0


async def _publish_unsubscribed(
    tx: Tx, runtime: Runtime, subject: TokenSubject, found: Subscription, via: Via, now: datetime
) -> None:
    data: dict[str, Any] = {"recipient": found.email, "occurred_at": now, "via": via}
    single = message_subject(subject.campaign_id, subject.contact_id)
    if single is not None:
        data |= {"message_id": str(single)}
    else:
        data |= {
            "message_id": message_id(runtime, subject.campaign_id, subject.contact_id, found.variant),
            "campaign_id": subject.campaign_id,
            "contact_id": subject.contact_id,
            "variant": found.variant,
        }
    about = str(single or subject.contact_id)
    kind = "campaign.message.unsubscribed.v1"
    await runtime.events.publish(tx, new_event(kind, data, tenant_id=subject.tenant_id, subject=about))
