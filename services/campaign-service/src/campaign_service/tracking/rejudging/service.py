"""New verdicts for recorded hits, and the figures corrected by the difference.

The same rules judge as when a hit comes in, with more beside it: when the mail was delivered after all, whom
else the visitor asked for, what was requested before and after. Nothing is published again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from campaign_service.stats import repository as stats
from campaign_service.stats.deltas import Deltas
from campaign_service.tracking import repository as tracking
from campaign_service.tracking.hits import Click, Hit, Person, judge_person
from campaign_service.tracking.rejudging import repository
from campaign_service.tracking.rejudging.crowds import WINDOW_SECONDS, Crowds
from campaign_service.tracking.repository import RecipientRow
from campaign_service.tracking.service import count_people
from campaign_service.tracking.verdict import Verdict
from shared.database import Tx

EVER = datetime.fromisoformat("1970-01-02T00:00:00+00:00")
Change = tuple[Hit, Verdict, Verdict]


async def crowds(tx: Tx, campaign_id: UUID, since: datetime) -> Crowds:
    """Crowds that hits since a time may belong to."""
    return await repository.crowds(tx, tx.tenant, campaign_id, since - timedelta(seconds=WINDOW_SECONDS))


async def rejudge(tx: Tx, campaign_id: UUID, contacts: Sequence[UUID], since: datetime, known: Crowds) -> int:
    """Judge the hits since a time of some people of a campaign; how many verdicts changed.

    The recipients are locked first, as hits that come in lock them: both see each other's work whole.
    """
    tenant_id = tx.tenant
    people = [(tenant_id, campaign_id, contact_id) for contact_id in contacts]
    rows = await tracking.lock_recipients(tx, people)
    links = await tracking.links(tx, [(tenant_id, campaign_id)])
    stored = await repository.hits(tx, tenant_id, campaign_id, contacts)
    link_count = len(links.get((tenant_id, campaign_id), ()))
    changes = [
        change
        for person, row in rows.items()
        for change in _changes(stored.get(person[2], []), row, link_count, known)
        if change[0].at >= since
    ]
    if changes:
        await _write(tx, campaign_id, rows, changes)
    return len(changes)


def _changes(
    stored: Sequence[tuple[Hit, Verdict]], row: RecipientRow, link_count: int, known: Crowds
) -> list[Change]:
    crowded = {hit.dedupe_key for hit, _ in stored if known.has(hit.visitor, hit.user_agent, hit.at)}
    judged = judge_person([hit for hit, _ in stored], [], row.reached_at, link_count, crowded)
    before = {hit.dedupe_key: verdict for hit, verdict in stored}
    return [
        (hit, before[hit.dedupe_key], verdict)
        for hit, verdict in judged.verdicts
        if verdict != before[hit.dedupe_key]
    ]


async def _write(
    tx: Tx, campaign_id: UUID, rows: dict[Person, RecipientRow], changes: Sequence[Change]
) -> None:
    deltas = Deltas()
    links: defaultdict[tuple[UUID, UUID, int], defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for hit, old, new in changes:
        for verdict, by in ((old, -1), (new, 1)):
            deltas.add(hit.tenant_id, campaign_id, hit.at, f"{hit.kind}s_{verdict}", by)
            if hit.kind == "click" and hit.link_index is not None:
                links[hit.tenant_id, campaign_id, hit.link_index][verdict] += by
    clicks = [
        Click(hit.link_index, hit.at, hit.method, new, hit.dedupe_key, old) for hit, old, new in changes
    ]
    await tracking.change_verdicts(tx, tx.tenant, clicks)
    await _write_firsts(tx, campaign_id, rows, sorted({hit.contact_id for hit, _, _ in changes}), deltas)
    if links:
        await tracking.add_link_clicks(tx, {key: dict(counts) for key, counts in links.items()})
    await stats.add(tx, deltas)


async def _write_firsts(
    tx: Tx, campaign_id: UUID, rows: dict[Person, RecipientRow], contacts: Sequence[UUID], deltas: Deltas
) -> None:
    changed: dict[Person, tuple[datetime | None, datetime | None]] = {}
    for contact_id, after in (await repository.firsts(tx, tx.tenant, campaign_id, contacts)).items():
        person = (tx.tenant, campaign_id, contact_id)
        before = (rows[person].first_opened_at, rows[person].first_clicked_at)
        if before != after:
            changed[person] = after
            count_people(deltas, person, before, after)
    if changed:
        await tracking.set_firsts(tx, changed)
