"""Mails with invented content, to see what each template looks like and whether mails arrive."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, assert_never
from uuid import UUID

from property_service.admin.schemas import Component, MailResults, TemplateType, TrialMailOut
from property_service.assignments import service as assignments
from property_service.reports.mails import Addressee, Mailer, Shortage
from property_service.settings import settings_of
from shared.database import Tx
from shared.events.catalog import JobFailedPermanently
from shared.utils.ids import uuid7
from shared.web import Runtime

TITLES: dict[TemplateType, str] = {
    "config": "Test",
    "welcome": "Welcome",
    "notification": "Notification",
    "monthly": "Monthly notification",
    "insufficient": "Insufficient addresses",
    "error": "Error notification",
}
_CITIES = ("Nantua", "Oyonnax")
_CLIENT: dict[str, Any] = {
    "client_id": UUID("00000000-0000-8000-8000-000000000000"),
    "first_name": "Camille",
    "last_name": "Exemple",
    "email": "camille@example.com",
    "property_type_preferences": ["house", "apartment"],
}


async def send(
    tx: Tx, rt: Runtime, template: TemplateType, recipient: str, server: tuple[Component, bool]
) -> TrialMailOut:
    """Ask for the mail, whose way `server` describes as `health.mail_server` does. While the mail server is
    away, it waits for it.
    """
    component, configured = server
    works = component.status == "ok"
    await _request(await Mailer.of(tx, rt), rt, template, recipient, str(uuid7()))
    message = f"{TITLES[template]} email sent to {recipient}"
    if not works:
        message = f"{TITLES[template]} email to {recipient} waits: {component.message}"
    results = MailResults(smtp_config=configured, connection=works, send_test=works)
    return TrialMailOut(success=works, message=message, results=results)


async def _request(mailer: Mailer, rt: Runtime, template: TemplateType, recipient: str, key: str) -> None:
    today = rt.clock.now().date()
    to = Addressee(recipient, "Camille", mailer.settings.language)
    match template:
        case "config":
            await mailer.mail_test(to, key)
        case "welcome":
            await mailer.welcome(to, 31, 10, _CITIES, key)
        case "notification":
            await mailer.notification(to, _properties(rt), today, key)
        case "monthly":
            await mailer.monthly_notice(to, today + timedelta(days=1), 10, _CITIES, key)
        case "insufficient":
            ages = assignments.window(today, settings_of(rt))
            shortage = Shortage(_CLIENT, 10, 3, _CITIES, ages.oldest, ages.newest)
            await mailer.insufficient_addresses(shortage, key, to=recipient)
        case "error":
            await mailer.job_failed(_failure(rt), _CLIENT, key, to=recipient)
        case _:
            assert_never(template)


def _properties(rt: Runtime) -> list[dict[str, Any]]:
    newest = assignments.window(rt.clock.now().date(), settings_of(rt)).newest
    house = {
        "address_raw": "12 RUE DES EXEMPLES",
        "city_name": "Nantua",
        "property_type": "house",
        "surface": 92,
        "rooms": 4,
        "price_cents": 21_000_000,
        "sale_date": newest,
    }
    flat = {"address_raw": "3 PLACE DU MODELE", "property_type": "apartment", "price_cents": None, "rooms": 2}
    return [house, house | flat]


def _failure(rt: Runtime) -> JobFailedPermanently:
    return JobFailedPermanently(
        job_id=uuid7(),
        job_type="client.process",
        service=rt.name,
        attempts=3,
        error="This is a test: no job has failed",
        failed_at=rt.clock.now(),
    )
