import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from property_service.daily import service
from property_service.daily.calendar import effective_day
from property_service.daily.job import SWEEP
from property_service.daily.service import DayReport

from .reports_kit import IZERNORE, Agency

DAY = date(2027, 3, 15)


async def run_day(agency: Agency, day: date | None = None) -> DayReport:
    return await service.run_day(agency.rt, agency.tenant, day)


async def turns(agency: Agency) -> list[dict[str, Any]]:
    return await agency.db.query(
        """SELECT t.kind, t.period, t.due_on, t.created_at::date AS taken_on, c.send_day
           FROM client_turn t JOIN client c ON c.tenant_id = t.tenant_id AND c.id = t.client_id""",
        tenant_id=agency.tenant,
    )


async def go_to(agency: Agency, moment: datetime) -> None:
    agency.clock.advance((moment - agency.clock.now()).total_seconds())


async def test_every_day_of_a_leap_year_notices_and_serves_each_client_once_a_month(agency: Agency) -> None:
    await go_to(agency, datetime(2027, 12, 30, 12, tzinfo=UTC))
    for send_day in range(1, 32):
        await agency.client(send_day)
    for _ in range(1 + 366):
        await agency.pass_time(days=1)
        await run_day(agency)
        await agency.forget_jobs()
    taken = [turn for turn in await turns(agency) if turn["period"].year == 2028]
    reports = {
        (send_day, effective_day(send_day, 2028, m)) for send_day in range(1, 32) for m in range(1, 13)
    }
    served = Counter((turn["send_day"], turn["taken_on"]) for turn in taken if turn["kind"] == "report")
    noticed = Counter((turn["send_day"], turn["taken_on"]) for turn in taken if turn["kind"] == "notice")
    assert served == dict.fromkeys(reports, 1)
    assert noticed == dict.fromkeys({(n, day - timedelta(days=1)) for n, day in reports}, 1)
    keys = [mail["idempotency_key"] for mail in await agency.mails("monthly_notice")]
    assert len(keys) == len(set(keys)) >= 31 * 12


async def test_a_day_done_again_does_nothing(agency: Agency) -> None:
    await agency.sell(30)
    due, tomorrow = await agency.client(15), await agency.client(16)
    assert await run_day(agency, DAY) == DayReport(noticed=1, started=1)
    assert await run_day(agency, DAY) == DayReport()
    await agency.run_jobs()
    assert await run_day(agency, DAY) == DayReport()
    assert await agency.run_jobs() == 0
    assert (await agency.assigned(due), await agency.assigned(tomorrow)) == (10, 0)
    mails = [(mail["template"], mail["recipient"]["email"]) for mail in await agency.mails()]
    assert mails == [
        ("property.monthly_notice", tomorrow.email),
        ("property.client_notification", due.email),
    ]


async def test_the_next_month_is_another_turn_with_other_addresses(agency: Agency) -> None:
    await agency.sell(25)
    client = await agency.client(15)
    for month in (3, 4, 5):
        assert (await run_day(agency, date(2027, month, 15))).started == 1
        await agency.run_jobs()
    assert await agency.assigned(client) == 25
    assert [mail["variables"]["count"] for mail in await agency.mails("client_notification")] == [10, 10, 5]


async def test_runs_at_the_same_time_share_the_work(agency: Agency) -> None:
    for _ in range(20):
        await agency.client(15)
    reports = await asyncio.gather(*(run_day(agency, DAY) for _ in range(4)))
    assert sum(report.started for report in reports) == 20
    assert Counter(turn["kind"] for turn in await turns(agency)) == {"report": 20}
    assert await agency.run_jobs() == 20


async def test_a_pre_notice_says_when_and_how_many_in_the_clients_language(agency: Agency) -> None:
    await agency.client(31, language="en", addresses_per_report=7)
    await agency.client(30)
    await run_day(agency, date(2027, 2, 27))
    english, french = await agency.mails("monthly_notice")
    assert english["variables"]["due_date"] == "28 February 2027"
    assert (english["variables"]["count"], english["variables"]["cities"]) == (7, "Nantua")
    assert english["recipient"]["language"] == "en"
    assert (french["variables"]["due_date"], french["variables"]["count"]) == ("28 février 2027", 10)
    due = await agency.events("property.report.due.v1")
    assert [(fact["kind"], fact["period_start"]) for fact in due] == [
        ("monthly", "2027-02-28T00:00:00+01:00")
    ] * 2


async def test_a_client_with_a_job_under_way_is_served_by_the_next_run(agency: Agency) -> None:
    await agency.sell(30)
    client = await agency.client(15)
    await agency.data("POST", "/api/add-addresses", {"client_id": str(client.client_id), "count": 2})
    assert await run_day(agency, DAY) == DayReport(busy=1)
    assert await turns(agency) == []
    await agency.run_jobs()
    assert await run_day(agency, DAY) == DayReport(started=1)
    await agency.run_jobs()
    assert await agency.assigned(client) == 12


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "inactive"},
        {"status": "pending"},
        {"first_report_date": "2027-03-17"},
        {"subscription_end_date": "2027-03-14"},
    ],
)
async def test_those_who_are_not_served_are_not_noticed(agency: Agency, fields: dict[str, Any]) -> None:
    await agency.client(15, **fields)
    await agency.client(16, **fields)
    assert await run_day(agency, DAY) == DayReport()


async def test_a_deleted_client_is_left_alone(agency: Agency) -> None:
    client = await agency.client(15)
    await agency.data("DELETE", f"/admin/client/{client.client_id}")
    assert await run_day(agency, DAY) == DayReport()


async def test_the_day_begins_at_nine_where_the_client_is(agency: Agency) -> None:
    for zone in ("Pacific/Noumea", "Europe/Paris", "America/Martinique"):
        await agency.client(16, time_zone=zone)
    seen = []
    for hour in (21, 22, 31, 32, 36, 37):  # UTC from the 15th on: it is the 16th in Nouméa first
        await go_to(agency, datetime(2027, 3, 15, tzinfo=UTC) + timedelta(hours=hour))
        seen.append((await run_day(agency)).started)
    assert seen == [0, 1, 0, 1, 0, 1]


async def test_a_day_on_which_nothing_ran_is_made_up_for(agency: Agency) -> None:
    early = await agency.client(16)
    await agency.pass_time(days=3)
    late = await agency.client(16)
    report = await run_day(agency)
    assert report == DayReport(started=1)
    [turn] = await turns(agency)
    assert (turn["due_on"], turn["taken_on"]) == (date(2027, 3, 16), date(2027, 3, 18))
    await agency.sell(30)
    await agency.run_jobs()
    assert (await agency.assigned(early), await agency.assigned(late)) == (10, 0)
    # what is missed is not announced afterwards
    assert await agency.mails("monthly_notice") == []


async def test_who_was_served_already_is_not_told_of_a_report_to_come(agency: Agency) -> None:
    client = await agency.client(15)
    await run_day(agency, DAY)
    await agency.forget_jobs()
    await agency.data("PUT", f"/admin/client/{client.client_id}", {"send_day": 20})
    assert await run_day(agency, date(2027, 3, 19)) == DayReport()
    assert await run_day(agency, date(2027, 3, 20)) == DayReport()
    assert (await run_day(agency, date(2027, 4, 19))).noticed == 1


async def test_due_retries_are_part_of_the_day(agency: Agency) -> None:
    await agency.sell(30)
    await agency.client(15)
    await agency.break_down()
    await run_day(agency, DAY)
    await agency.run_jobs()
    assert (await run_day(agency, DAY)).retried == 0
    await agency.pass_time(hours=3)
    assert (await run_day(agency, DAY)).retried == 1


async def test_one_request_runs_the_day_of_the_tenant(agency: Agency) -> None:
    await agency.sell(30)
    client = await agency.client(31)
    answer = await agency.call("POST", "/api/run-daily?date=2027-04-30")
    assert (answer.status_code, answer.json()["message"]) == (200, "The day has begun")
    again = await agency.data("POST", "/api/run-daily", {"date": "2027-04-30"})
    assert again == {"job_id": answer.json()["data"]["job_id"], "message": "Job already in progress"}
    await agency.run_jobs()
    job = await agency.job(again["job_id"])
    assert (job["status"], job["client_id"]) == ("completed", None)
    assert job["result"] == {"noticed": 0, "started": 1, "busy": 0, "retried": 0}
    assert await agency.assigned(client) == 10
    for wrong in ("2027-04-31", "9999-12-31", "0001-01-01", "today"):
        assert (await agency.call("POST", f"/api/run-daily?date={wrong}")).status_code == 422
        assert (await agency.call("POST", "/api/run-daily", {"date": wrong})).status_code == 422
    assert (await agency.call("POST", "/api/run-daily", {"day": "2027-04-30"})).status_code == 422


async def test_the_clock_runs_the_day_of_every_tenant(agency: Agency) -> None:
    other = await agency.neighbour()
    for owner in (agency, other):
        await owner.client(15)
    async with agency.db.system_tx() as tx:
        await agency.rt.jobs.enqueue(tx, SWEEP, tenant_id=None)
    await agency.run_jobs()
    for owner in (agency, other):
        assert [turn["kind"] for turn in await turns(owner)] == ["report"]


async def test_the_schedule_looks_every_quarter_of_an_hour(agency: Agency) -> None:
    await agency.client(16)
    await agency.rt.jobs.run_schedules()
    moment = datetime(2027, 3, 16, 7, 45, tzinfo=UTC)
    for quarter in range(3):
        await go_to(agency, moment + timedelta(minutes=15 * quarter))
        await agency.rt.jobs.run_schedules()
        await agency.run_jobs()
    [turn] = await turns(agency)
    assert turn["due_on"] == date(2027, 3, 16)


async def test_too_few_addresses_in_a_month_are_told(agency: Agency) -> None:
    await agency.name_alerts()
    await agency.sell(3, IZERNORE)
    client = await agency.client(15, chosen_cities=[await agency.city(IZERNORE)])
    await run_day(agency, DAY)
    await agency.run_jobs()
    [alert] = await agency.mails("insufficient_addresses")
    assert alert["variables"]["client_email"] == client.email
    assert (alert["variables"]["wanted"], alert["variables"]["found"]) == (10, 3)
    assert alert["variables"]["window"] == "du 17 mars 2019 au 16 mars 2021"
