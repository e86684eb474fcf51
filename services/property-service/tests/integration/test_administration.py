from typing import Any

import pytest

from property_service.admin import trial_mails
from property_service.admin.schemas import Component, TemplateType

from .reports_kit import Agency

AWAY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _campaign_service_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGN_SERVICE_URL", AWAY)


async def test_health_needs_an_admin(agency: Agency) -> None:
    assert (await agency.http.get("/admin/health")).status_code == 401
    answer = await agency.http.get("/admin/health", headers=agency.headers("operator"))
    assert answer.status_code == 403


async def test_health_asks_each_part(agency: Agency) -> None:
    await agency.client()
    health = await agency.data("GET", "/admin/health")
    parts = health["components"]
    assert parts["database"] == {"status": "ok", "message": "Connected, 1 total clients"}
    assert parts["events"]["status"] == "ok"
    assert parts["email"]["status"] == "error"
    assert "cannot be reached" in parts["email"]["message"]
    assert health["status"] == "degraded"
    assert health["timestamp"].startswith("2027-03-15T11:00:00")


async def test_health_tells_of_a_database_that_is_away(agency: Agency) -> None:
    await agency.db.close()
    health = await agency.data("GET", "/admin/health")
    assert health["status"] == "degraded"
    assert health["components"]["database"] == {
        "status": "error",
        "message": "The database does not answer",
    }
    assert health["components"]["events"]["status"] == "error"


async def test_figures_tell_waiting_from_lost_jobs(agency: Agency) -> None:
    await agency.sell(30)
    served, lost = await agency.client(), await agency.client(chosen_cities=[])
    await agency.client(status="inactive")
    for client in (served, lost):
        await agency.data("POST", "/api/process-client", {"client_id": str(client.client_id)})
    await agency.run_jobs()
    await agency.break_down()
    await agency.data("POST", "/api/process-client", {"client_id": str(served.client_id)})
    await agency.run_jobs()
    await agency.data("POST", "/api/process-client", {"client_id": str(lost.client_id)})
    assert await agency.data("GET", "/admin/stats") == {
        "total_clients": 3,
        "active_clients": 2,
        "total_properties": 30,
        "total_assignments": 10,
        "jobs_pending": 1,
        "jobs_processing": 0,
        "jobs_completed": 1,
        "jobs_failed": 1,
        "jobs_failed_permanent": 1,
    }
    failed = await agency.data("GET", "/admin/jobs?status=failed")
    assert [job["client_id"] for job in failed] == [str(served.client_id)]
    assert failed[0]["clients"] == {"first_name": "Zoé", "last_name": "Numéro 1", "email": served.email}
    assert failed[0]["attempt_count"] == 1
    assert len(await agency.data("GET", "/admin/jobs")) == 4
    page = await agency.data("GET", "/admin/jobs?limit=2&offset=1")
    assert [job["status"] for job in page] == ["failed", "failed_permanent"]
    assert (await agency.call("GET", "/admin/jobs?status=done")).status_code == 422


async def test_each_client_sees_jobs_by_the_same_words(agency: Agency) -> None:
    await agency.sell(1)
    client = await agency.client()
    await agency.break_down()
    job = await agency.data("POST", "/api/process-client", {"client_id": str(client.client_id)})
    await agency.run_jobs()
    detail = await agency.data("GET", f"/admin/client/{client.client_id}")
    assert [(one["job_id"], one["status"]) for one in detail["recent_jobs"]] == [(job["job_id"], "failed")]


TEMPLATES: dict[TemplateType, str] = {
    "config": "mail_test",
    "welcome": "welcome",
    "notification": "client_notification",
    "monthly": "monthly_notice",
    "insufficient": "insufficient_addresses",
    "error": "error_alert",
}


async def test_each_template_can_be_tried(agency: Agency) -> None:
    server = Component(status="ok", message="it takes mails"), True
    async with agency.db.tenant_tx(agency.tenant) as tx:
        for template_type in TEMPLATES:
            sent = await trial_mails.send(tx, agency.rt, template_type, "me@example.com", server)
            assert sent.results.model_dump() == {"smtp_config": True, "connection": True, "send_test": True}
            assert sent.message == f"{trial_mails.TITLES[template_type]} email sent to me@example.com"
    mails = await agency.mails()
    assert [mail["template"] for mail in mails] == [f"property.{name}" for name in TEMPLATES.values()]
    assert {mail["recipient"]["email"] for mail in mails} == {"me@example.com"}


async def test_a_mail_server_that_nobody_could_ask_is_told(agency: Agency) -> None:
    body = {"recipient": "me@example.com", "template_type": "monthly"}
    answer = await agency.data("POST", "/admin/test-email", body)
    assert answer["success"] is False
    assert answer["results"] == {"smtp_config": False, "connection": False, "send_test": False}
    assert answer["message"].startswith("Monthly notification email to me@example.com waits")
    assert len(await agency.mails("monthly_notice")) == 1


@pytest.mark.parametrize("body", [{"recipient": "me"}, {"recipient": "me@example.com", "template_type": "x"}])
async def test_test_mails_to_nowhere_are_refused(agency: Agency, body: dict[str, Any]) -> None:
    assert (await agency.call("POST", "/admin/test-email", body)).status_code == 422
    assert await agency.mails() == []


async def test_processing_can_be_tried_at_once(agency: Agency) -> None:
    await agency.sell(3, price=45_000_000)
    client = await agency.client()
    body = {"client_id": str(client.client_id), "count": 5}
    done = await agency.data("POST", "/admin/test-client-processing", body)
    assert (done["properties_assigned"], done["email_sent"]) == (3, True)
    assert done["message"] == "Assigned 3 properties to Zoé Numéro 1"
    assert {(one["city_name"], one["price"]) for one in done["properties"]} == {("Nantua", 450_000)}
    assert len(await agency.mails("client_notification")) == 1
    again = await agency.data("POST", "/admin/test-client-processing", body)
    assert (again["properties_assigned"], again["email_sent"]) == (0, False)
    assert len(await agency.mails()) == 1


async def test_processing_nobody_is_not_found(agency: Agency) -> None:
    body = {"client_id": "00000000-0000-7000-8000-000000000000"}
    assert (await agency.call("POST", "/admin/test-client-processing", body)).status_code == 404
