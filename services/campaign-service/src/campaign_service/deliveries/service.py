"""Applying a batch of rows: each row once, in any order, all in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from campaign_service.deliveries import repository
from campaign_service.deliveries.mailwizz import MailWizzEvent, parse_payload
from campaign_service.deliveries.merge import RecipientFacts, contributions, merge
from campaign_service.deliveries.messages import repository as messages_repository
from campaign_service.deliveries.messages import service as single
from campaign_service.deliveries.messages.repository import LockedMessage
from campaign_service.deliveries.powermta import parse_batch
from campaign_service.deliveries.repository import (
    LockedRecipient,
    Placed,
    RecipientChange,
    RecipientKey,
    Source,
)
from campaign_service.deliveries.rows import DeliveryRow, RowIssue
from campaign_service.deliveries.suppressing import Heard, suppress
from campaign_service.settings import site_of
from campaign_service.stats import repository as stats
from campaign_service.stats.deltas import Deltas
from campaign_service.tracking import service as tracking
from campaign_service.tracking.hits import Hit
from campaign_service.tracking.repository import links
from campaign_service.tracking.visitor import visitor_of
from shared.database import Tx
from shared.events import Event, new_event
from shared.web import Runtime

_BATCH = 5000


@dataclass(slots=True)
class Applied:
    """What became of the rows of one webhook."""

    applied: int = 0
    repeated: int = 0
    unmatched: int = 0
    rejected: int = 0
    ignored: int = 0


@dataclass(frozen=True, slots=True)
class Inbound:
    """One webhook request: its id and when it came in."""

    id: UUID
    received_at: datetime


async def apply_powermta(tx: Tx, runtime: Runtime, body: str, inbound: Inbound) -> Applied:
    """Apply accounting rows. Raises `UnreadableBatchError` when the body as a whole makes no sense."""
    batch = parse_batch(body, inbound.received_at)
    await keep_issues(tx, "powermta", batch.issues, inbound)
    applied = await apply_rows(tx, runtime, batch.rows, inbound, "powermta")
    return replace(applied, rejected=len(batch.issues), ignored=batch.ignored)


async def keep_issues(tx: Tx, source: Source, issues: Sequence[RowIssue], inbound: Inbound) -> None:
    """Keep what could not be applied, for the tenant to look at."""
    if issues:
        await repository.add_issues(tx, tx.tenant, source, issues, inbound.id, inbound.received_at)


async def apply_rows(
    tx: Tx, runtime: Runtime, rows: Sequence[DeliveryRow], inbound: Inbound, source: Source
) -> Applied:
    """Apply rows to the mails they speak of; one that was applied before changes nothing."""
    distinct = list({row.dedupe_key: row for row in rows}.values())
    result = Applied(repeated=len(rows) - len(distinct))
    for start in range(0, len(distinct), _BATCH):
        await _apply(tx, runtime, distinct[start : start + _BATCH], inbound, source, result)
    return result


async def _apply(
    tx: Tx,
    runtime: Runtime,
    rows: Sequence[DeliveryRow],
    inbound: Inbound,
    source: Source,
    result: Applied,
) -> None:
    tenant_id = tx.tenant
    messages, mails = await _place_messages(tx, rows)
    others = [row for row in rows if row.dedupe_key not in {p.row.dedupe_key for p in messages}]
    placed, locked = await _place(tx, runtime, others)
    placed += messages
    found = {p.row.dedupe_key for p in placed}
    missing = [row for row in rows if row.dedupe_key not in found]
    if missing:
        issues = [_unmatched(row) for row in missing]
        await keep_issues(tx, source, issues, inbound)
        result.unmatched += len(missing)
    if not placed:
        return
    new_keys = await repository.insert_events(tx, tenant_id, placed, inbound.id, inbound.received_at)
    fresh = [p for p in placed if p.row.dedupe_key in new_keys]
    result.repeated += len(placed) - len(fresh)
    result.applied += len(fresh)
    if fresh:
        await _change_recipients(tx, runtime, fresh, locked)
        await single.change(tx, runtime, fresh, mails)
        heard = [_heard(p, locked, mails) for p in fresh]
        await suppress(tx, runtime, heard, source, runtime.clock.now())


def _unmatched(row: DeliveryRow) -> RowIssue:
    return RowIssue(
        number=row.number,
        kind="unmatched",
        reason="no_such_mail",
        record_type=row.record_type,
        address=row.address,
        raw=row.raw,
        dedupe_key=row.dedupe_key,
        occurred_at=row.occurred_at,
    )


async def _place_messages(
    tx: Tx, rows: Sequence[DeliveryRow]
) -> tuple[list[Placed], dict[UUID, LockedMessage]]:
    """Rows that name a single message of this tenant, and these messages."""
    named = single.named(rows)
    if not named:
        return [], {}
    mails = await messages_repository.lock(tx, tx.tenant, named.values())
    contacts = await repository.contacts_by_address(tx, tx.tenant, (m.email.lower() for m in mails.values()))
    placed = [
        Placed(row, None, contacts.get(mails[message_id].email.lower()), message_id)
        for row in rows
        if (message_id := named.get(row.dedupe_key)) is not None and message_id in mails
    ]
    return placed, mails


async def _place(
    tx: Tx, runtime: Runtime, rows: Sequence[DeliveryRow]
) -> tuple[list[Placed], dict[RecipientKey, LockedRecipient]]:
    """Find whose mail each row speaks of: by our reference, else by job and address, else by address alone.

    References of other tenants' mails find nothing here, because only this tenant's recipients are looked at.
    """
    by_ref = {row.dedupe_key: key for row in rows if (key := _referenced(runtime, row)) is not None}
    contacts = await repository.contacts_by_address(
        tx, tx.tenant, (row.address for row in rows if row.address)
    )
    wanted = set(by_ref.values())
    by_job: dict[bytes, RecipientKey] = {}
    for row in rows:
        campaign_id, contact_id = _uuid(row.job_id), contacts.get(row.address)
        if campaign_id is not None and contact_id is not None:
            by_job[row.dedupe_key] = (campaign_id, contact_id)
    wanted.update(by_job.values())
    locked = await repository.lock_recipients(tx, tx.tenant, wanted)
    placed: list[Placed] = []
    for row in rows:
        candidates = (by_ref.get(row.dedupe_key), by_job.get(row.dedupe_key))
        key = next((key for key in candidates if key is not None and key in locked), None)
        contact = contacts.get(row.address)
        if key is not None:
            placed.append(Placed(row, *key))
        elif contact is not None:
            placed.append(Placed(row, None, contact))
    return placed, locked


def _referenced(runtime: Runtime, row: DeliveryRow) -> RecipientKey | None:
    refs = site_of(runtime).refs
    for text in row.references:
        subject = refs.read_address(text)
        if subject is not None:
            return subject.campaign_id, subject.contact_id
    return None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def _change_recipients(
    tx: Tx, runtime: Runtime, fresh: Sequence[Placed], locked: dict[RecipientKey, LockedRecipient]
) -> None:
    by_recipient: defaultdict[RecipientKey, list[DeliveryRow]] = defaultdict(list)
    for p in fresh:
        if p.key is not None:
            by_recipient[p.key].append(p.row)
    deltas = Deltas()
    changes: dict[RecipientKey, RecipientChange] = {}
    events: list[Event] = []
    for key, rows in by_recipient.items():
        old = locked[key].facts
        new = merge(old, rows)
        changes[key] = RecipientChange(new, *_last_words(new, rows))
        for sign, facts in ((-1, old), (1, new)):
            for moment, column in contributions(facts):
                deltas.add(tx.tenant, key[0], moment, column, sign)
        for row in rows:
            if row.fact == "deferred":
                deltas.add(tx.tenant, key[0], row.occurred_at, "deferred")
        events += [event for row in rows if (event := _event(tx, runtime, key, locked[key], row)) is not None]
    if changes:
        await repository.update_recipients(tx, tx.tenant, changes, runtime.clock.now())
        await stats.add(tx, deltas)
        await runtime.events.publish_many(tx, events)


def _last_words(new: RecipientFacts, rows: Sequence[DeliveryRow]) -> tuple[str | None, str | None]:
    """Code and text of the answer that made the state what it is; None where these rows do not have it."""
    said = rows
    if new.bounce_class is not None:
        said = [row for row in rows if row.fact == "bounced" and row.bounce_class == new.bounce_class]
    elif new.delivered_at is not None:
        said = [row for row in rows if row.fact == "delivered"]
    if not said:
        return None, None
    latest = max(said, key=lambda row: row.occurred_at)
    return latest.status or None, latest.diagnostic[:500] or None


def _event(
    tx: Tx, runtime: Runtime, key: RecipientKey, recipient: LockedRecipient, row: DeliveryRow
) -> Event | None:
    """Bounces and complaints are told one by one; deliveries are in the figures, for their number."""
    data = {
        "message_id": tracking.message_id(runtime, key[0], key[1], recipient.variant),
        "campaign_id": key[0],
        "contact_id": key[1],
        "recipient": recipient.email,
        "occurred_at": row.occurred_at,
        "variant": recipient.variant,
    }
    if row.fact == "complained":
        data["feedback_type"] = row.detail.get("feedback_type")
        return new_event("campaign.message.complained.v1", data, tenant_id=tx.tenant, subject=str(key[1]))
    if row.fact == "bounced" and row.bounce_class in ("hard", "soft"):
        data |= row.bounce_data
        return new_event("campaign.message.bounced.v1", data, tenant_id=tx.tenant, subject=str(key[1]))
    return None


def _heard(
    placed: Placed, locked: dict[RecipientKey, LockedRecipient], mails: dict[UUID, LockedMessage]
) -> Heard:
    if placed.message_id is not None:
        mail = mails[placed.message_id]
        return Heard(placed.row, "" if mail.is_erased else mail.email, placed.contact_id)
    address = locked[placed.key].email if placed.key is not None else None
    return Heard(placed.row, address or placed.row.address, placed.contact_id)


async def apply_mailwizz(tx: Tx, runtime: Runtime, body: str, inbound: Inbound) -> Applied:
    """Record opens and clicks. Raises `UnreadablePayloadError` when the body is not JSON."""
    events, issues = parse_payload(body, inbound.received_at)
    result = Applied(rejected=len(issues))
    hits: list[Hit] = []
    for event, key in zip(events, await _place_events(tx, runtime, events), strict=True):
        if key is None:
            issues.append(_unmatched_event(event))
            result.unmatched += 1
        else:
            hits.append(_hit(tx, runtime, event, key))
    if issues:
        await repository.add_issues(tx, tx.tenant, "mailwizz", issues, inbound.id, inbound.received_at)
    if hits:
        hits = await _with_links(tx, hits, {event.dedupe_key: event.url for event in events})
        recorded = await tracking.record_hits(tx, runtime, hits)
        result.applied = len(recorded.hits)
        result.repeated = len(hits) - len(recorded.hits)
    return result


async def _place_events(
    tx: Tx, runtime: Runtime, events: Sequence[MailWizzEvent]
) -> list[RecipientKey | None]:
    """The recipient of each event: by our reference, else by campaign (id or external name) and address."""
    contacts = await repository.contacts_by_address(tx, tx.tenant, (e.address for e in events if e.address))
    campaigns = await repository.campaigns_by_ref(tx, tx.tenant, (e.campaign_ref for e in events))
    keys: list[RecipientKey | None] = []
    for event in events:
        subject = site_of(runtime).refs.read_address(event.reference)
        campaign_id = campaigns.get(event.campaign_ref) or _uuid(event.campaign_ref)
        contact_id = contacts.get(event.address)
        if subject is not None:
            keys.append((subject.campaign_id, subject.contact_id))
        elif campaign_id is not None and contact_id is not None:
            keys.append((campaign_id, contact_id))
        else:
            keys.append(None)
    present = await repository.lock_recipients(tx, tx.tenant, [key for key in keys if key])
    return [key if key in present else None for key in keys]


def _unmatched_event(event: MailWizzEvent) -> RowIssue:
    return RowIssue(
        number=event.number,
        kind="unmatched",
        reason="no_such_mail",
        record_type=event.kind,
        address=event.address,
        raw=event.raw,
        dedupe_key=event.dedupe_key,
        occurred_at=event.occurred_at,
    )


def _hit(tx: Tx, runtime: Runtime, event: MailWizzEvent, key: RecipientKey) -> Hit:
    return Hit(
        tenant_id=tx.tenant,
        campaign_id=key[0],
        contact_id=key[1],
        kind=event.kind,
        at=event.occurred_at,
        link_index=None,
        method="GET",
        user_agent=event.user_agent[:500],
        visitor=visitor_of(runtime, event.ip, event.occurred_at),
        dedupe_key=event.dedupe_key,
        source="mailwizz",
    )


async def _with_links(tx: Tx, hits: Sequence[Hit], urls: dict[bytes, str]) -> list[Hit]:
    """The hits, each click with the index of its link where the campaign has that link."""
    known = await links(tx, ((hit.tenant_id, hit.campaign_id) for hit in hits))
    return [
        hit.with_link(known.get((hit.tenant_id, hit.campaign_id), []), urls[hit.dedupe_key]) for hit in hits
    ]
