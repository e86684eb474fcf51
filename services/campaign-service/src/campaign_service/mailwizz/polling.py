"""Asking MailWizz what became of a campaign's mails, page by page, each record once.

The lists grow at their end and have no filter by time, so the cursor is a number of records. It is set back
by a page each time, because a record that is deleted there moves the others up; and once a day a list is
read as a whole, because delivery logs change in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from campaign_service.deliveries import service as deliveries
from campaign_service.sending.tokens import TokenSubject
from campaign_service.tracking import service as tracking
from shared.database import Tx
from shared.utils import uuid7
from shared.web import Runtime

from . import repository
from .carrying import repository as carrying
from .client import STREAMS, MailWizzClient, Stream
from .records import Record, read, row_of

PAGE = 100
_WHOLE_AGAIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Source:
    """A campaign of ours and its name there."""

    tenant_id: UUID
    campaign_id: UUID
    uid: str


async def poll_campaign(runtime: Runtime, client: MailWizzClient, source: Source) -> int:
    """Take in what is new of a campaign; how many records that were."""
    return sum([await poll_stream(runtime, client, source, stream) for stream in STREAMS])


async def poll_stream(runtime: Runtime, client: MailWizzClient, source: Source, stream: Stream) -> int:
    """Pages are taken in one by one, each with its cursor in one transaction."""
    now = runtime.clock.now()
    async with runtime.db.tenant_tx(source.tenant_id) as tx:
        seen, whole_at = await repository.cursor(tx, source.tenant_id, source.campaign_id, stream)
    if whole_at is None or now - whole_at >= _WHOLE_AGAIN:
        seen, whole_at = 0, now
    number, taken = max(1, seen // PAGE), 0
    while True:
        page = await client.page(source.uid, stream, number, PAGE)
        records = [found for raw in page.records if (found := read(stream, source.uid, raw)) is not None]
        end = (number - 1) * PAGE + len(page.records)
        async with runtime.db.tenant_tx(source.tenant_id) as tx:
            taken += await take(tx, runtime, source, records)
            await repository.set_cursor(
                tx, source.tenant_id, source.campaign_id, stream, min(end, page.count), now, whole_at
            )
        if len(page.records) < PAGE or end >= page.count:
            return taken
        number += 1


async def take(tx: Tx, runtime: Runtime, source: Source, records: Sequence[Record]) -> int:
    """Apply records that were not taken in before, in the caller's transaction; how many."""
    if not records:
        return 0
    now = runtime.clock.now()
    new = await repository.new_keys(tx, tx.tenant, source.campaign_id, (record.key for record in records))
    fresh = list({record.key: record for record in records if record.key in new}.values())
    if sent := [record.address for record in fresh if record.is_sent]:
        await carrying.accept(tx, tx.tenant, source.campaign_id, sent, now)
    rows = [row_of(record, number, source.campaign_id, now) for number, record in enumerate(fresh, start=1)]
    await deliveries.apply_rows(
        tx, runtime, [row for row in rows if row], deliveries.Inbound(uuid7(), now), "mailwizz"
    )
    await _unsubscribe(tx, runtime, source, [r for r in fresh if r.stream == "unsubscribes"], now)
    return len(fresh)


async def _unsubscribe(
    tx: Tx, runtime: Runtime, source: Source, records: Sequence[Record], now: datetime
) -> None:
    if not records:
        return
    addresses = sorted({record.address for record in records})
    people = await repository.recipients(tx, tx.tenant, source.campaign_id, addresses)
    for contact_id in sorted(people.values()):
        subject = TokenSubject(tx.tenant, source.campaign_id, contact_id)
        await tracking.unsubscribe(tx, runtime, subject, "provider", now)
