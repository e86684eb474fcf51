import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from property_service.processing.job import process
from property_service.processing.service import PROCESS
from property_service.reports.consumers import alert
from shared.jobs import JobContext
from shared.jobs import repository as job_table
from shared.jobs.repository import Claimed

from .reports_kit import Agency


async def failed_job(agency: Agency) -> dict[str, Any]:
    """A job that has failed once."""
    await agency.sell(30)
    client = await agency.client()
    await agency.break_down()
    job = await agency.data("POST", "/api/process-client", {"client_id": str(client.client_id)})
    await agency.run_jobs()
    return await agency.job(job["job_id"])


def waits_hours(agency: Agency, job: dict[str, Any]) -> float:
    wait = datetime.fromisoformat(job["next_attempt"]) - agency.clock.now()
    return wait / timedelta(hours=1)


async def test_failed_attempts_wait_two_and_four_hours_and_the_third_is_the_last(agency: Agency) -> None:
    job = await failed_job(agency)
    assert (job["status"], job["attempt_count"]) == ("failed", 1)
    assert "the disk is full" in job["error_message"]
    assert 1.8 <= waits_hours(agency, job) <= 2.2
    await agency.pass_time(minutes=100)
    assert await agency.run_jobs() == 0
    await agency.pass_time(minutes=40)
    assert await agency.run_jobs() == 1
    job = await agency.job(job["job_id"])
    assert (job["status"], job["attempt_count"]) == ("failed", 2)
    assert 3.6 <= waits_hours(agency, job) <= 4.4
    await agency.pass_time(hours=5)
    await agency.run_jobs()
    job = await agency.job(job["job_id"])
    assert (job["status"], job["attempt_count"], job["next_attempt"]) == ("failed_permanent", 3, None)
    await agency.pass_time(days=3)
    assert await agency.run_jobs() == 0
    assert len(await agency.events("job.failed_permanently.v1")) == 1
    assert await agency.mails() == []


@pytest.mark.parametrize(
    "words", ["client not found or inactive", "missing required row", "no chosen cities"]
)
async def test_words_of_an_error_do_not_make_it_permanent(agency: Agency, words: str) -> None:
    client = await agency.client()
    await agency.break_down(words)
    job = await agency.data("POST", "/api/process-client", {"client_id": str(client.client_id)})
    await agency.run_jobs()
    found = await agency.job(job["job_id"])
    assert words in found["error_message"]
    assert (found["status"], found["attempt_count"]) == ("failed", 1)


async def test_an_attempt_that_failed_left_nothing_behind_and_the_next_one_serves(agency: Agency) -> None:
    job = await failed_job(agency)
    await agency.repair()
    await agency.pass_time(hours=3)
    await agency.run_jobs()
    job = await agency.job(job["job_id"])
    assert (job["status"], job["properties_assigned"], job["error_message"]) == ("completed", 10, None)
    assert len(await agency.mails()) == 1


async def test_the_last_failure_is_told_by_mail(agency: Agency) -> None:
    await agency.name_alerts("watch@example.com", language="en")
    client = await agency.client(chosen_cities=[])
    await agency.data("POST", "/api/process-client", {"client_id": str(client.client_id)})
    await agency.run_jobs()
    [fact] = await agency.events("job.failed_permanently.v1")
    for _ in range(2):
        await agency.handle(alert, "job.failed_permanently.v1", fact)
    mails = await agency.mails("error_alert")
    assert {mail["idempotency_key"] for mail in mails} == {f"property.error_alert:{fact['job_id']}"}
    assert mails[0]["recipient"] == {"email": "watch@example.com", "language": "en"} | {
        "name": None,
        "phone": None,
    }
    told = mails[0]["variables"]
    assert (told["client_name"], told["attempts"]) == ("Zoé Numéro 1", 1)
    assert "no chosen cities" in told["error"]


async def test_failures_of_other_services_are_not_ours_to_tell(agency: Agency) -> None:
    await agency.name_alerts()
    fact = {
        "job_id": "00000000-0000-7000-8000-000000000000",
        "job_type": "codes.generate",
        "service": "code-service",
        "attempts": 3,
        "error": "RuntimeError",
        "failed_at": agency.clock.now().isoformat(),
    }
    await agency.handle(alert, "job.failed_permanently.v1", fact)
    assert await agency.mails() == []


async def test_retry_queue_leaves_alone_what_is_not_due(agency: Agency) -> None:
    job = await failed_job(agency)
    done = await agency.data("POST", "/api/process-retry-queue")
    assert done == {"processed": 0, "failed": 0, "still_running": 0}
    assert (await agency.job(job["job_id"]))["next_attempt"] == job["next_attempt"]


async def retried(agency: Agency, path: str) -> dict[str, Any]:
    """The answer of the retry queue, while a worker runs beside it."""

    async def work() -> None:
        for _ in range(1200):
            if await agency.run_jobs():
                return
            await asyncio.sleep(0.05)

    answer, _ = await asyncio.gather(agency.call("POST", path), work())
    body: dict[str, Any] = answer.json()
    return body


async def test_retry_queue_counts_failures_as_failed(agency: Agency) -> None:
    job = await failed_job(agency)
    answer = await retried(agency, "/api/process-retry-queue?force=true")
    assert answer["data"] == {"processed": 0, "failed": 1, "still_running": 0}
    assert answer["message"] == "Processed 0 jobs, 1 failed"
    assert (await agency.job(job["job_id"]))["attempt_count"] == 2


async def test_retry_queue_runs_what_is_due(agency: Agency) -> None:
    job = await failed_job(agency)
    await agency.repair()
    await agency.pass_time(hours=3)
    answer = await retried(agency, "/api/process-retry-queue")
    assert answer["data"] == {"processed": 1, "failed": 0, "still_running": 0}
    assert (await agency.job(job["job_id"]))["status"] == "completed"


async def claimed(agency: Agency) -> Claimed:
    """A job in the hands of a worker that is about to die."""
    async with agency.db.system_tx() as tx:
        [held] = await job_table.claim(tx, [PROCESS], 1, "a worker that died", agency.clock.now())
    return held


async def test_a_client_whose_worker_died_is_rescued_and_not_blocked(agency: Agency) -> None:
    await agency.sell(30)
    client = await agency.client()
    order = {"client_id": str(client.client_id)}
    job = await agency.data("POST", "/api/process-client", order)
    await claimed(agency)
    assert (await agency.job(job["job_id"]))["status"] == "processing"
    assert (await agency.data("POST", "/api/process-client", order))["message"] == "Job already in progress"
    await agency.pass_time(seconds=61)
    assert [str(job_id) for job_id in await agency.rt.jobs.sweep()] == [job["job_id"]]
    await agency.run_jobs()
    assert (await agency.job(job["job_id"]))["status"] == "completed"
    assert await agency.assigned(client) == 10
    assert len(await agency.mails()) == 1


async def test_a_worker_that_died_after_the_work_does_not_cause_it_twice(agency: Agency) -> None:
    await agency.sell(30)
    client = await agency.client()
    job = await agency.data("POST", "/api/process-client", {"client_id": str(client.client_id)})
    held = await claimed(agency)
    await process.handler(JobContext(held, agency.db, agency.rt, agency.clock))
    assert (await agency.job(job["job_id"]))["properties_assigned"] == 10
    await agency.pass_time(seconds=61)
    await agency.rt.jobs.sweep()
    await agency.run_jobs()
    found = await agency.job(job["job_id"])
    assert (found["status"], found["properties_assigned"]) == ("completed", 10)
    assert await agency.assigned(client) == 10
    assert len(await agency.mails()) == 1


async def ended_jobs(agency: Agency) -> list[str]:
    """One completed, one that failed for good, one that waits for another attempt."""
    await agency.sell(30)
    clients = [await agency.client(), await agency.client(chosen_cities=[]), await agency.client()]
    ids = []
    for client in clients:
        if client is clients[-1]:
            await agency.break_down()
        job = await agency.data("POST", "/api/process-client", {"client_id": str(client.client_id)})
        await agency.run_jobs()
        ids.append(job["job_id"])
    await agency.pass_time(days=8)
    return ids


async def test_clean_up_takes_what_has_ended_and_leaves_what_waits(agency: Agency) -> None:
    *ended, waiting = await ended_jobs(agency)
    kept = await agency.call("POST", "/api/cleanup-jobs?older_than_days=9")
    assert kept.json()["data"] == {"cleaned_jobs": 0}
    cleaned = await agency.call("POST", "/api/cleanup-jobs")
    assert cleaned.json()["data"] == {"cleaned_jobs": 2}
    assert cleaned.json()["message"] == "Cleaned 2 jobs older than 7 days"
    for job_id in ended:
        assert (await agency.call("GET", f"/api/job-status/{job_id}")).status_code == 404
    assert (await agency.job(waiting))["status"] == "failed"


async def test_administration_cleans_up_after_thirty_days(agency: Agency) -> None:
    await ended_jobs(agency)
    first = await agency.call("DELETE", "/admin/jobs/cleanup")
    assert first.json()["data"] == {"deleted_jobs": 0}
    await agency.pass_time(days=23)
    second = await agency.call("DELETE", "/admin/jobs/cleanup?older_than_days=30")
    assert second.json()["data"] == {"deleted_jobs": 2}
    assert second.json()["message"] == "Deleted 2 jobs older than 30 days"
