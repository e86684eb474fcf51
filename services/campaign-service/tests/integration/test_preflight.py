"""The usual mistakes are found before a campaign is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.testing import TokenMint
from tests.simulators.dns import NameServer, name_server

from .campaigns_kit import HTML, Kit, open_kit
from .test_sending_domains import call, publish

GOOD = HTML.replace("{{ first_name }}", "{{ first_name | default: 'you' }}")


@pytest.fixture
async def zone() -> dict[str, dict[str, tuple[str, ...]]]:
    return {}


@pytest.fixture
async def server(zone: dict[str, Any]) -> AsyncIterator[NameServer]:
    async with name_server(zone) as running:
        yield running


@pytest.fixture
async def asking(common_dsn: str, mint: TokenMint, tenant_a: UUID, server: NameServer) -> AsyncIterator[Kit]:
    async with open_kit(common_dsn, mint, tenant_a, sending_dns=server.address) as kit:
        yield kit


async def checks(kit: Kit, campaign_id: str) -> dict[str, str]:
    """Name to status; the worst of all under `all`."""
    found = await kit.ok("GET", f"/{campaign_id}/preflight")
    order = ["ok", "unknown", "warning", "error"]
    worst: dict[str, str] = {"all": found["status"]}
    for check in found["checks"]:
        worst[check["name"]] = max(worst.get(check["name"], "ok"), check["status"], key=order.index)
        assert check["advice"] or check["status"] in ("ok", "unknown")
    return worst


async def campaign_of(kit: Kit, html: str, subject: str = "Hello", **fields: Any) -> str:
    template = await kit.add_template(["en"], html)
    await kit.execute(
        "UPDATE template_content SET subject = $3 WHERE tenant_id = $1 AND template_id = $2",
        kit.tenant,
        template,
        subject,
    )
    made = await kit.create(name=f"c {uuid4()}", template_id=str(template), **fields)
    return str(made["id"])


async def test_records_of_the_sender_are_asked_for(asking: Kit, zone: dict[str, Any]) -> None:
    await asking.add_contacts(2)
    campaign = await campaign_of(asking, GOOD, from_email="news@shop.example.com")
    before = await checks(asking, campaign)
    assert [before[n] for n in ("spf", "dkim", "dmarc", "from_domain")] == ["warning"] * 4
    assert (before["audience"], before["subject"], before["links"]) == ("ok", "ok", "ok")
    domain = await call(asking, "POST", json={"domain": "example.com"}, expect=201)
    publish(zone, domain)
    zone["mail.tidings.localhost"] = {"TXT": ('"v=spf1 ip4:192.0.2.1 -all"', '"other"')}
    zone["_dmarc.example.com"] = {"TXT": ('"v=DMARC1; p=reject"',)}
    await call(asking, "POST", f"/{domain['id']}/verify")
    after = await checks(asking, campaign)
    assert [after[n] for n in ("spf", "dkim", "dmarc", "from_domain")] == ["ok"] * 4
    zone["mail.tidings.localhost"] = {"TXT": ('"v=spf1 +all"',)}
    zone["_dmarc.example.com"] = {"TXT": ('"v=DMARC1; p=reject"', '"v=DMARC1; p=none"')}
    del zone["tidings._domainkey.example.com"]
    broken = await checks(asking, campaign)
    assert [broken[n] for n in ("spf", "dkim", "dmarc")] == ["error"] * 3
    assert broken["all"] == "error"


async def test_without_dns_it_is_not_known(kit: Kit) -> None:
    campaign = await campaign_of(kit, GOOD, from_email="me@gmail.com")
    found = await checks(kit, campaign)
    assert (found["spf"], found["dmarc"], found["dkim"]) == ("unknown", "unknown", "warning")
    assert (found["from_domain"], found["audience"], found["last_import"]) == ("error", "error", "warning")


@pytest.mark.parametrize(
    ("html", "subject", "name", "status"),
    [
        ('<a href="#">x</a>', "Hello", "links", "error"),
        ('<a href="">x</a>', "Hello", "links", "error"),
        ('<a href="https://todo">x</a>', "Hello", "links", "error"),
        ('<a href="https://">x</a>', "Hello", "links", "error"),
        ('<a href="htps:/shop">x</a>', "Hello", "links", "error"),
        ('<a href="http://shop.example.com">x</a>', "Hello", "links", "warning"),
        ('<a href="https://shop.example.com/?a=1&amp;b={{ email }}">x</a>', "Hello", "links", "ok"),
        ("<p>x</p>", "{{ contact.custom.nothing }}", "subject", "error"),
        ("<p>x</p>", "BUY NOW TODAY", "subject", "warning"),
        ("<p>x</p>", "x" * 90, "subject", "warning"),
        ("<p>{{ first_nam }}</p>", "Hello", "merge_fields", "error"),
        ("<p>{{ first_name }}</p>", "Hello", "merge_fields", "warning"),
        ("<p>x</p>", "Hello", "unsubscribe_link", "warning"),
        ('<p>Sale</p><img src="https://shop.example.com/a.png">', "Hello", "images", "warning"),
        ("<p>" + "word " * 25_000 + "</p>", "Hello", "size", "warning"),
    ],
)
async def test_mistakes_in_the_content(kit: Kit, html: str, subject: str, name: str, status: str) -> None:
    found = await checks(kit, await campaign_of(kit, html, subject))
    assert found[name] == status
    # The installation of the tests has no https address.
    assert (found["unsubscribe_headers"], found["feedback_id"]) == ("warning", "ok")


async def test_errors_keep_a_campaign_back_unless_an_administrator_forces_it(kit: Kit) -> None:
    await kit.add_contacts(2)
    campaign = await campaign_of(kit, '<a href="#">x</a>')
    refused = await kit.campaigns("POST", f"/{campaign}/send")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (409, "PREFLIGHT_FAILED")
    assert [check["name"] for check in error["details"]["checks"]] == ["links"]
    operator = {"headers": kit.headers("operator")}
    assert (await kit.campaigns("POST", f"/{campaign}/send?force=true", **operator)).status_code == 403
    await kit.ok("POST", f"/{campaign}/send?force=true", headers=kit.headers("admin"))


async def test_recipients_get_the_content_of_their_category_even_where_their_language_has_no_other(
    kit: Kit,
) -> None:
    [contact] = await kit.add_contacts(1, language="fr")
    await kit.execute(
        "UPDATE contact SET category = 'Shops' WHERE tenant_id = $1 AND id = $2", kit.tenant, contact
    )
    template = await kit.add_template(["en", "fr/shops"], GOOD)
    campaign = await kit.create(template_id=str(template))
    await kit.ok("POST", f"/{campaign['id']}/send")
    assert [row["language"] for row in await kit.recipients(campaign["id"])] == ["fr"]


async def test_mistakes_of_a_variant_are_mistakes(kit: Kit) -> None:
    await kit.add_contacts(1)
    campaign = await campaign_of(kit, GOOD)
    bad = str(await kit.add_template(["en"], GOOD + "<a href=''>soon</a>"))
    variants = {"variants": [{"subject": "One"}, {"template_id": bad}], "test_percent": 100}
    await kit.ok("POST", f"/{campaign}/variants", json=variants)
    found = await kit.ok("GET", f"/{campaign}/preflight")
    assert [check["content"] for check in found["checks"] if check["status"] == "error"] == ["variant 2, en"]
    refused = await kit.campaigns("POST", f"/{campaign}/send")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "PREFLIGHT_FAILED")
