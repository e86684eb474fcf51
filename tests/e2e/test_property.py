"""Property reports through the door: the service killed in the middle of its day, and every kind of mail."""

from __future__ import annotations

from collections import Counter
from email import message_from_bytes
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from demo.client import wait_for
from tests.e2e.system import Customer, System

SALES = Path(__file__).parents[2] / "services/property-service/tests/data/geodvf_2025_sample.csv"
CLIENTS = 40
#: Seven years after the sales of the sample.
DAY = "2032-01-31"
TEMPLATES = ("config", "welcome", "notification", "monthly", "insufficient", "error")


def import_sales(system: System, customer: Customer) -> None:
    files = {"file": (SALES.name, SALES.read_bytes(), "text/csv")}
    accepted = customer.gateway.send("POST", "/api/properties/import", files=files).json()["data"]
    system.wait(
        lambda: customer.gateway.get(f"/api/properties/imports/{accepted['import_id']}")["status"],
        lambda status: status == "completed",
        "the import",
    )


def make_clients(customer: Customer) -> list[str]:
    """Addresses of clients who get one address on the last day of each month."""
    cities = [city["city_id"] for city in customer.gateway.get("/api/cities", department="01", limit=200)]
    emails = [f"client{number}-{customer.tenant[-8:]}@example.com" for number in range(CLIENTS)]
    for email in emails:
        customer.gateway.post(
            "/admin/clients",
            {
                "first_name": "Client",
                "last_name": "Numéro",
                "email": email,
                "send_day": 31,
                "addresses_per_report": 1,
                "chosen_cities": cities,
                "property_type_preferences": ["house", "apartment"],
                "first_report_date": "2032-01-01",
            },
        )
    return emails


def run_day(customer: Customer) -> None:
    customer.gateway.post(f"/api/run-daily?date={DAY}")


def test_killed_service_serves_and_mails_every_client_once(system: System, customer: Customer) -> None:
    import_sales(system, customer)
    emails = make_clients(customer)
    newest = system.mails.newest_id()
    run_day(customer)
    wait_for(
        lambda: customer.gateway.get("/admin/stats")["jobs_completed"],
        lambda completed: completed > 0,
        what="the first reports",
        seconds=30,
        every=0.01,
    )
    system.kill("property-service")
    system.wait_ready("property-service")
    run_day(customer)
    system.wait(
        lambda: customer.gateway.get("/admin/stats")["jobs_completed"],
        lambda completed: completed == CLIENTS,
        "the reports",
    )
    mails = system.wait(
        lambda: reports(system, newest),
        lambda mails: len(mails) >= CLIENTS,
        "the mails",
    )
    assert Counter(mail["to"][0] for mail in mails) == dict.fromkeys(emails, 1)
    assert customer.gateway.get("/admin/stats")["total_assignments"] == CLIENTS


def reports(system: System, newest: int) -> list[dict[str, Any]]:
    return [mail for mail in system.mails.after(newest) if "nouvelle" in mail["subject"]]


def test_a_failure_for_good_is_told_by_mail(system: System, customer: Customer) -> None:
    watch = f"watch-{customer.tenant[-8:]}@example.com"
    settings = {"brand_name": "Vallon", "alert_email": watch, "language": "en"}
    customer.gateway.send("PUT", "/admin/settings", json=settings)
    body = {"first_name": "Zoé", "last_name": "Sans Ville", "email": f"zoe-{customer.tenant}@example.com"}
    client = customer.gateway.post("/admin/clients", body)
    customer.gateway.post("/api/process-client", {"client_id": client["client_id"]})
    [mail] = system.wait(lambda: system.mails.after(0, to=watch), lambda mails: len(mails) == 1, "the alert")
    assert mail["subject"] == "Vallon: a job has failed for good"
    text = system.mails.text(int(mail["id"]))
    assert "Zoé Sans Ville" in text
    assert "has no chosen cities" in text


def test_every_kind_of_mail_arrives_in_the_tenants_brand(system: System, customer: Customer) -> None:
    health = customer.gateway.get("/admin/health")
    assert (health["status"], health["components"]["email"]["status"]) == ("ok", "ok")
    brand = {"brand_name": "Vallon", "sender_email": "bonjour@vallon.example.com"}
    customer.gateway.send("PUT", "/admin/settings", json=brand)
    reader = f"reader-{customer.tenant[-8:]}@example.com"
    for template in TEMPLATES:
        body = {"recipient": reader, "template_type": template}
        sent = customer.gateway.post("/admin/test-email", body)
        assert sent["results"] == {"smtp_config": True, "connection": True, "send_test": True}
    mails = system.wait(
        lambda: system.mails.after(0, to=reader), lambda mails: len(mails) >= len(TEMPLATES), "the mails"
    )
    assert len({mail["subject"] for mail in mails}) == len(mails) == len(TEMPLATES)
    for mail in mails:
        assert "Vallon" in mail["subject"]
        content = message_from_bytes(system.mails.content(int(mail["id"])))
        assert parseaddr(content["From"]) == ("Vallon", "bonjour@vallon.example.com")
        assert content.get_content_type() == "multipart/alternative"
