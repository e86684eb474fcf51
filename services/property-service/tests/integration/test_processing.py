import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from property_service.settings import settings_of

from .reports_kit import IZERNORE, Agency


async def started(agency: Agency, client_id: UUID, **more: Any) -> dict[str, Any]:
    path = "/api/add-addresses" if more else "/api/process-client"
    found: dict[str, Any] = await agency.data("POST", path, {"client_id": str(client_id), **more})
    return found


async def test_a_client_is_served_by_a_job(agency: Agency) -> None:
    await agency.sell(30)
    client = await agency.client(addresses_per_report=8)
    answer = await agency.call("POST", "/api/process-client", {"client_id": str(client.client_id)})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["success"], body["message"]) == (True, "Processing started")
    job_id = body["data"]["job_id"]
    before = await agency.job(job_id)
    assert (before["status"], before["properties_assigned"]) == ("pending", 0)
    await agency.run_jobs()
    job = await agency.job(job_id)
    assert (job["status"], job["properties_assigned"]) == ("completed", 8)
    assert (job["client_id"], job["error_message"]) == (str(client.client_id), None)
    assert (job["progress"]["done"], job["progress"]["total"]) == (2, 2)
    assert await agency.assigned(client) == 8
    [mail] = await agency.mails()
    assert (mail["template"], mail["recipient"]["email"]) == ("property.client_notification", client.email)
    assert (mail["variables"]["count"], len(mail["variables"]["properties"])) == (8, 8)
    [fact] = await agency.events("property.properties.assigned.v1")
    assert (fact["client_id"], fact["job_id"], fact["count"]) == (str(client.client_id), job_id, 8)


async def test_zero_addresses_per_report_means_the_default(agency: Agency) -> None:
    await agency.sell(30)
    client = await agency.client(addresses_per_report=0)
    await started(agency, client.client_id)
    await agency.run_jobs()
    assert await agency.assigned(client) == 10


async def test_a_price_that_is_not_known_stays_empty_in_the_mail(agency: Agency) -> None:
    await agency.sell(1, price=None)
    client = await agency.client(addresses_per_report=1)
    await started(agency, client.client_id)
    await agency.run_jobs()
    [mail] = await agency.mails()
    assert mail["variables"]["properties"][0]["price"] is None
    assert mail["variables"]["total_price"] is None


async def test_a_second_request_answers_with_the_running_job(agency: Agency) -> None:
    client = await agency.client()
    first = await started(agency, client.client_id)
    answer = await agency.call("POST", "/api/process-client", {"client_id": str(client.client_id)})
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert answer.json()["message"] == "Job already in progress"
    assert answer.json()["data"]["job_id"] == first["job_id"]
    # add-addresses does not slip past it either
    assert (await started(agency, client.client_id, count=3))["job_id"] == first["job_id"]


async def test_fifty_requests_at_once_make_one_job(agency: Agency) -> None:
    client = await agency.client()
    answers = await asyncio.gather(*(started(agency, client.client_id) for _ in range(50)))
    assert len({answer["job_id"] for answer in answers}) == 1
    assert [answer["message"] for answer in answers].count("Processing started") == 1


async def test_an_unknown_or_inactive_client_is_not_found(agency: Agency) -> None:
    inactive = await agency.client(status="inactive")
    for client_id in (uuid4(), inactive.client_id):
        for path in ("/api/process-client", "/api/add-addresses"):
            answer = await agency.call("POST", path, {"client_id": str(client_id)})
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
            assert "not found or inactive" in answer.json()["error"]["message"]
    assert await agency.run_jobs() == 0


@pytest.mark.parametrize("count", [0, -1, 1001, "many"])
async def test_a_count_that_makes_no_sense_is_refused(agency: Agency, count: object) -> None:
    client = await agency.client()
    body = {"client_id": str(client.client_id), "count": count}
    assert (await agency.call("POST", "/api/add-addresses", body)).status_code == 422


async def test_shortage_of_added_addresses_is_counted_against_what_was_asked(agency: Agency) -> None:
    await agency.name_alerts()
    await agency.sell(4)
    client = await agency.client(addresses_per_report=10)
    enough = await started(agency, client.client_id, count=3)
    await agency.run_jobs()
    assert (await agency.job(enough["job_id"]))["properties_assigned"] == 3
    assert await agency.mails("insufficient_addresses") == []
    short = await started(agency, client.client_id, count=3)
    assert short["message"] == "Adding 3 addresses"
    await agency.run_jobs()
    assert (await agency.job(short["job_id"]))["properties_assigned"] == 1
    [alert] = await agency.mails("insufficient_addresses")
    assert (alert["variables"]["wanted"], alert["variables"]["found"]) == (3, 1)
    assert alert["recipient"]["email"] == "alerts@example.com"
    [fact] = await agency.events("property.addresses.insufficient.v1")
    assert (fact["wanted"], fact["found"]) == (3, 1)


async def test_without_a_count_as_many_are_added_as_a_report_has(agency: Agency) -> None:
    await agency.sell(30)
    client = await agency.client(addresses_per_report=6)
    body = {"client_id": str(client.client_id)}
    assert (await agency.data("POST", "/api/add-addresses", body))["message"] == "Adding 6 addresses"
    await agency.run_jobs()
    assert await agency.assigned(client) == 6


async def test_zero_addresses_found_is_told_too(agency: Agency) -> None:
    await agency.name_alerts()
    client = await agency.client(chosen_cities=[await agency.city(IZERNORE)])
    job = await started(agency, client.client_id)
    await agency.run_jobs()
    assert (await agency.job(job["job_id"]))["status"] == "completed"
    [alert] = await agency.mails()
    assert alert["template"] == "property.insufficient_addresses"
    assert (alert["variables"]["wanted"], alert["variables"]["found"]) == (10, 0)
    assert (alert["variables"]["cities"], alert["variables"]["types"]) == ("Izernore", "maison")


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"chosen_cities": []}, "no chosen cities"), ({"property_type_preferences": []}, "no property types")],
)
async def test_what_trying_again_cannot_help_is_not_tried_again(
    agency: Agency, fields: dict[str, Any], words: str
) -> None:
    client = await agency.client(**fields)
    job = await started(agency, client.client_id)
    await agency.run_jobs()
    found = await agency.job(job["job_id"])
    assert (found["status"], found["attempt_count"], found["next_attempt"]) == ("failed_permanent", 1, None)
    assert words in found["error_message"]
    [fact] = await agency.events("job.failed_permanently.v1")
    assert (fact["job_id"], fact["attempts"]) == (job["job_id"], 1)
    # the client is not blocked by it
    assert (await started(agency, client.client_id))["job_id"] != job["job_id"]


async def test_a_client_who_leaves_before_the_job_runs_gets_nothing(agency: Agency) -> None:
    await agency.sell(30)
    client = await agency.client()
    job = await started(agency, client.client_id)
    async with agency.db.tenant_tx(agency.tenant) as tx:
        await tx.execute("UPDATE client SET status = 'inactive' WHERE tenant_id = $1", agency.tenant)
    await agency.run_jobs()
    assert (await agency.job(job["job_id"]))["status"] == "failed_permanent"
    assert await agency.mails() == []


async def test_job_of_another_tenant_and_no_job_are_not_found(agency: Agency, tenant_b: UUID) -> None:
    client = await agency.client()
    job = await started(agency, client.client_id)
    agency.tenant = tenant_b
    for job_id in (job["job_id"], uuid4()):
        assert (await agency.call("GET", f"/api/job-status/{job_id}")).status_code == 404


async def test_small_roles_read_and_do_not_start(agency: Agency) -> None:
    client = await agency.client()
    job = await started(agency, client.client_id)
    viewer = agency.headers("viewer")
    read = await agency.http.get(f"/api/job-status/{job['job_id']}", headers=viewer)
    assert read.status_code == 200
    for path in ("/api/process-client", "/api/add-addresses"):
        answer = await agency.http.post(path, json={"client_id": str(client.client_id)}, headers=viewer)
        assert answer.status_code == 403


async def test_a_source_that_fails_is_shown_on_the_job_and_the_client_is_served(
    agency: Agency, tmp_path: Path
) -> None:
    await agency.sell(30)
    (tmp_path / "2020.csv").write_text("this is no file of sales\n")
    agency.rt.config = settings_of(agency.rt).model_copy(update={"dvf_folder": tmp_path})
    client = await agency.client()
    job = await started(agency, client.client_id)
    await agency.run_jobs()
    found = await agency.job(job["job_id"])
    assert (found["status"], found["properties_assigned"]) == ("completed", 10)
    assert len(found["progress"]["source_errors"]) == 1


async def test_a_repeat_with_its_key_starts_nothing_new(agency: Agency) -> None:
    await agency.sell(30)
    client = await agency.client()
    body = {"client_id": str(client.client_id), "count": 2}
    headers = agency.headers() | {"Idempotency-Key": "once"}
    first = await agency.http.post("/api/add-addresses", json=body, headers=headers)
    await agency.run_jobs()
    again = await agency.http.post("/api/add-addresses", json=body, headers=headers)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()
    assert await agency.run_jobs() == 0
    assert await agency.assigned(client) == 2
