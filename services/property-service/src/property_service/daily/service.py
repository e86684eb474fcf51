"""The work of a day: announce tomorrow's reports, start today's, run what has to be tried again.

Each client's turn is one transaction, guarded by a unique row, so that the day can be cut off anywhere and
done again: nobody is noticed or served twice for a month, and nobody is left out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from property_service.clients import service as clients
from property_service.daily import repository
from property_service.daily.calendar import Kind, local_day, period_of, report_day
from property_service.processing import repository as jobs
from property_service.processing import service as processing
from property_service.processing.schemas import Order
from property_service.reports.mails import Mailer, addressee, city_names
from property_service.settings import settings_of
from shared.database import Tx
from shared.errors import NotFoundError
from shared.events.catalog import ReportDue
from shared.events.envelope import new_event
from shared.jobs import JobAlreadyActive
from shared.web import Runtime

#: A day on which nothing ran is made up for on one of the days after it, by its reports alone.
CATCH_UP_DAYS = 3
CREATED_BY = "schedule:daily"

Progress = Callable[[int, int], Awaitable[None]]


@dataclass(slots=True)
class DayReport:
    """`busy` clients have another job under way: their turn comes with the next run. `retried` jobs had
    failed before, and their time had come.
    """

    noticed: int = 0
    started: int = 0
    busy: int = 0
    retried: int = 0

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Round:
    """One kind of turn of a day, for the clients of some time zones (None: of all)."""

    kind: Kind
    day: date
    zones: frozenset[str] | None = None
    is_late: bool = False

    @property
    def due_on(self) -> date:
        return report_day(self.kind, self.day)

    def concerns(self, client: dict[str, Any]) -> bool:
        if self.zones is not None and client["time_zone"] not in self.zones:
            return False
        # Whoever came after a day that is made up for was not there to be served on it.
        return not self.is_late or local_date(client["created_at"], client["time_zone"]) <= self.day


def local_date(moment: datetime, time_zone: str) -> date:
    return moment.astimezone(ZoneInfo(time_zone)).date()


def rounds_of(day: date) -> list[Round]:
    """The work of a day that was named."""
    return [Round("notice", day), Round("report", day)]


def rounds_now(zones: list[str], now: datetime, hour: int) -> list[Round]:
    """The work to be done by now where the clients are: see `local_day`."""
    found: dict[tuple[Kind, date, bool], set[str]] = {}
    for zone in zones:
        today = local_day(now, zone, hour)
        if today == local_date(now, zone):
            found.setdefault(("notice", today, False), set()).add(zone)
        for back in range(CATCH_UP_DAYS + 1):
            day = today - timedelta(days=back)
            found.setdefault(("report", day, day < local_date(now, zone)), set()).add(zone)
    return [Round(kind, day, frozenset(where), late) for (kind, day, late), where in sorted(found.items())]


async def run_day(
    rt: Runtime, tenant_id: UUID, day: date | None = None, progress: Progress | None = None
) -> DayReport:
    """Do a tenant's work of `day`; without one, all that is due by now where each client is."""
    report = DayReport()
    plan = await _plan(rt, tenant_id, day)
    for number, (one, client_id) in enumerate(plan):
        if progress:
            await progress(number, len(plan))
        await _turn(rt, tenant_id, client_id, one, report)
    async with rt.db.tenant_tx(tenant_id) as tx:
        due = await jobs.hurry(tx, tenant_id, processing.PROCESS, rt.clock.now(), also_not_due=False)
    report.retried = len(due)
    return report


async def _plan(rt: Runtime, tenant_id: UUID, day: date | None) -> list[tuple[Round, UUID]]:
    """Whose turn it is; that it was not taken meanwhile shows when it is taken."""
    waiting: list[tuple[Round, UUID]] = []
    async with rt.db.tenant_tx(tenant_id, read_only=True) as tx:
        for one in await _rounds(tx, rt, day):
            due = await clients.due_on(tx, one.due_on)
            done = await repository.done_with(tx, tenant_id, period_of(one.due_on), one.kind)
            ids = (client["client_id"] for client in due if one.concerns(client))
            waiting += [(one, client_id) for client_id in ids if client_id not in done]
    return waiting


async def _rounds(tx: Tx, rt: Runtime, day: date | None) -> list[Round]:
    if day is not None:
        return rounds_of(day)
    zones = await repository.time_zones(tx, tx.tenant)
    return rounds_now(zones, rt.clock.now(), settings_of(rt).daily_hour)


async def _turn(rt: Runtime, tenant_id: UUID, client_id: UUID, one: Round, report: DayReport) -> None:
    try:
        async with rt.db.tenant_tx(tenant_id) as tx:
            await _take_turn(tx, rt, client_id, one, report)
    except JobAlreadyActive:
        report.busy += 1
    except NotFoundError:
        pass  # gone since the list was made


async def _take_turn(tx: Tx, rt: Runtime, client_id: UUID, one: Round, report: DayReport) -> None:
    client = await clients.get_active(tx, client_id)
    period, now = period_of(one.due_on), rt.clock.now()
    if not await repository.take(tx, tx.tenant, client_id, one.kind, period, one.due_on, now):
        return
    if one.kind == "notice":
        await _notice(tx, rt, client, one.due_on)
        report.noticed += 1
    else:
        order = Order(client_id=client_id, day=one.due_on, period=period)
        job = await processing.enqueue(tx, rt, order, CREATED_BY)
        await repository.note_job(tx, tx.tenant, client_id, period, job.id)
        report.started += 1


async def _notice(tx: Tx, rt: Runtime, client: dict[str, Any], due_on: date) -> None:
    mailer = await Mailer.of(tx, rt)
    client_id = client["client_id"]
    count = clients.wanted_addresses(client, settings_of(rt))
    names = await city_names(tx, client)
    await mailer.monthly_notice(addressee(client), due_on, count, names, f"{client_id}:{period_of(due_on)}")
    start = datetime.combine(due_on, datetime.min.time(), ZoneInfo(client["time_zone"]))
    fact = ReportDue(client_id=client_id, kind="monthly", period_start=start)
    event = new_event("property.report.due.v1", fact, tenant_id=tx.tenant, subject=str(client_id))
    await rt.events.publish(tx, event)
