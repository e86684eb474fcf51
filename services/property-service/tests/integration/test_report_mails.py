from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from property_service.reports import wording
from property_service.reports.consumers import name_brand, welcome
from property_service.reports.mails import MOST_LISTED, Addressee, Mailer
from property_service.settings import settings_of

from .reports_kit import Agency

SETTINGS = {
    "brand_name": "Vallon Immobilier",
    "color": "#0A7D4F",
    "accent": "#12b886",
    "logo_url": "https://cdn.example.com/vallon.png",
    "website": "https://vallon.example.com/espace",
    "sender_email": "bonjour@vallon.example.com",
    "sender_name": "L'équipe Vallon",
    "reply_to": "contact@vallon.example.com",
    "alert_email": "technique@vallon.example.com",
    "language": "en",
}


async def test_settings_are_defaults_until_they_are_set(agency: Agency) -> None:
    before = await agency.data("GET", "/admin/settings")
    assert (before["brand_name"], before["color"], before["accent"]) == ("Tidings", "#6c63ff", "#8b84ff")
    assert (before["alert_email"], before["updated_at"]) == (None, None)
    after = await agency.data("PUT", "/admin/settings", SETTINGS)
    assert after == await agency.data("GET", "/admin/settings")
    assert {name: after[name] for name in SETTINGS} == SETTINGS | {"color": "#0a7d4f"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"color": "red"},
        {"logo_url": "javascript:alert(1)"},
        {"website": "vallon"},
        {"sender_email": "nobody"},
        {"sender_name": "a\r\nBcc: b@example.com"},
        {"language": "de"},
        {"brand_name": " "},
        {"font": "Comic Sans"},
    ],
)
async def test_settings_that_no_mail_can_carry_are_refused(agency: Agency, wrong: dict[str, Any]) -> None:
    assert (await agency.call("PUT", "/admin/settings", SETTINGS | wrong)).status_code == 422


async def test_settings_need_an_admin(agency: Agency) -> None:
    for method in ("GET", "PUT"):
        answer = await agency.http.request(
            method, "/admin/settings", json=SETTINGS, headers=agency.headers("operator")
        )
        assert answer.status_code == 403


async def test_mails_carry_the_tenants_brand_and_sender(agency: Agency) -> None:
    await agency.data("PUT", "/admin/settings", SETTINGS)
    client = await agency.client(language="fr")
    await agency.handle(welcome, "property.client.registered.v1", (await agency.events(REGISTERED))[0])
    [mail] = await agency.mails()
    assert mail["recipient"] == {"email": client.email, "name": "Zoé", "language": "fr", "phone": None}
    assert mail["sender"] == {
        "email": "bonjour@vallon.example.com",
        "name": "L'équipe Vallon",
        "reply_to": "contact@vallon.example.com",
    }
    assert mail["variables"]["brand"] == {
        "name": "Vallon Immobilier",
        "color": "#0a7d4f",
        "accent": "#12b886",
        "logo_url": "https://cdn.example.com/vallon.png",
        "website": "https://vallon.example.com/espace",
    }


REGISTERED = "property.client.registered.v1"


async def test_a_new_client_is_welcomed_once(agency: Agency) -> None:
    client = await agency.client(31, addresses_per_report=4)
    [fact] = await agency.events(REGISTERED)
    for _ in range(2):
        await agency.handle(welcome, REGISTERED, fact)
    mails = await agency.mails("welcome")
    assert {mail["idempotency_key"] for mail in mails} == {f"property.welcome:{client.client_id}"}
    told = mails[0]["variables"]
    assert (told["send_day"], told["count"], told["cities"]) == (31, 4, "Nantua")


async def test_nobody_is_welcomed_who_is_gone_already(agency: Agency) -> None:
    await agency.handle(welcome, REGISTERED, {"client_id": str(uuid4()), "name": "Nobody"})
    assert await agency.mails() == []


async def test_the_brand_is_the_tenants_name_until_another_is_set(agency: Agency) -> None:
    fact = {"tenant_id": str(agency.tenant), "name": "Agence du Lac", "slug": "agence-du-lac"}
    await agency.handle(name_brand, "auth.tenant.created.v1", fact)
    assert (await agency.data("GET", "/admin/settings"))["brand_name"] == "Agence du Lac"
    await agency.data("PUT", "/admin/settings", SETTINGS)
    await agency.handle(name_brand, "auth.tenant.created.v1", fact)
    assert (await agency.data("GET", "/admin/settings"))["brand_name"] == "Vallon Immobilier"


async def test_alerts_go_to_the_installation_when_the_tenant_names_nobody(agency: Agency) -> None:
    client = await agency.client()
    order = {"client_id": str(client.client_id)}
    await agency.data("POST", "/api/process-client", order)
    await agency.run_jobs()
    assert await agency.mails() == []
    agency.rt.config = settings_of(agency.rt).model_copy(update={"cto_email": "cto@example.com"})
    await agency.data("POST", "/api/process-client", order)
    await agency.run_jobs()
    [mail] = await agency.mails()
    assert (mail["template"], mail["recipient"]["email"]) == (
        "property.insufficient_addresses",
        "cto@example.com",
    )


async def test_a_long_list_is_counted_not_cut_silently(agency: Agency) -> None:
    row = {
        "address_raw": "1 RUE DU LAC",
        "city_name": "Nantua",
        "property_type": "house",
        "surface": 92,
        "rooms": 4,
        "price_cents": 10_000_000,
        "sale_date": date(2020, 11, 3),
    }
    async with agency.db.tenant_tx(agency.tenant) as tx:
        mailer = await Mailer.of(tx, agency.rt)
        to = Addressee("zoe@example.com", "Zoé", "fr")
        await mailer.notification(to, [row] * (MOST_LISTED + 7), date(2027, 3, 1), "key")
    [mail] = await agency.mails()
    told = mail["variables"]
    assert (told["count"], len(told["properties"]), told["more"]) == (107, 100, 7)
    assert told["total_price"] == "10\u00a0700\u00a0000\u00a0€"
    assert told["average_price"] == "100\u00a0000\u00a0€"
    assert told["source"].endswith("ventes consultées le 1er mars 2027.")


@pytest.mark.parametrize(
    ("cents", "french", "english"),
    [(21_000_049, "210\u00a0000\u00a0€", "€210,000"), (99, "1\u00a0€", "€1"), (None, None, None)],
)
def test_amounts_are_whole_euros(cents: int | None, french: str | None, english: str | None) -> None:
    assert wording.amount_text(cents, "fr") == french
    assert wording.amount_text(cents, "en") == english
