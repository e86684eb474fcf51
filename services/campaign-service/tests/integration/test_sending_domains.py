"""Sending domains: keys are made here, shown as records, verified by DNS, and sign what campaigns send."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import dkim  # type: ignore[import-untyped]
import pytest

from shared.testing import TokenMint
from tests.simulators.dns import NameServer, name_server
from tests.simulators.processes import smtp_sink

from .campaigns_kit import Kit, open_kit
from .test_sending_worker import sending, status, until


@pytest.fixture
async def zone() -> dict[str, dict[str, tuple[str, ...]]]:
    return {}


@pytest.fixture
async def server(zone: dict[str, Any]) -> AsyncIterator[NameServer]:
    async with name_server(zone) as running:
        yield running


@pytest.fixture
async def domains(
    database_dsn: str, mint: TokenMint, tenant_a: UUID, server: NameServer
) -> AsyncIterator[Kit]:
    async with open_kit(database_dsn, mint, tenant_a, sending_dns=server.address) as kit:
        yield kit


async def call(kit: Kit, method: str, path: str = "", *, expect: int = 200, **kwargs: Any) -> Any:
    answer = await kit.request(method, f"/api/v2/sending/{kit.tenant}/domains{path}", **kwargs)
    assert answer.status_code == expect, answer.text
    body = answer.json() if answer.content else {}
    return body.get("data", body.get("error"))


def publish(zone: dict[str, Any], domain: dict[str, Any]) -> None:
    for key in domain["keys"]:
        quoted = " ".join(f'"{string}"' for string in key["record"]["strings"])
        zone[key["record"]["name"]] = {"TXT": (quoted,)}


async def test_a_domain_has_two_keys_with_records_and_no_secrets(domains: Kit) -> None:
    made = await call(domains, "POST", json={"domain": "News.Exämple.com"}, expect=201)
    assert (made["domain"], made["sign"], made["signs"]) == ("news.xn--exmple-cua.com", "verified", False)
    records = {key["algorithm"]: key["record"] for key in made["keys"]}
    assert records["rsa"]["name"] == "tidings._domainkey.news.xn--exmple-cua.com"
    assert records["ed25519"]["name"] == "tidings-ed._domainkey.news.xn--exmple-cua.com"
    assert records["rsa"]["value"].startswith("v=DKIM1; k=rsa; p=MIIB")
    assert max(len(string) for string in records["rsa"]["strings"]) == 255
    assert "private" not in str(made)
    stored = await domains.fetch(
        "SELECT private_key FROM sending_domain_key WHERE tenant_id = $1", domains.tenant
    )
    assert not any(b"\x06\x09\x2a\x86\x48\x86\xf7" in row["private_key"] for row in stored)
    taken = await call(domains, "POST", json={"domain": made["domain"]}, expect=409)
    assert taken["code"] == "DOMAIN_EXISTS"
    for wrong in ("localhost", "a..b", "-x.com", "a b.com"):
        await call(domains, "POST", json={"domain": wrong}, expect=422)
    assert [domain["id"] for domain in await call(domains, "GET")] == [made["id"]]
    await call(domains, "DELETE", f"/{made['id']}", expect=204)
    await call(domains, "GET", f"/{made['id']}", expect=404)


async def test_keys_are_verified_by_dns_and_new_ones_take_over_once_they_are(
    domains: Kit, server: NameServer, zone: dict[str, Any]
) -> None:
    made = await call(domains, "POST", json={"domain": "example.com"}, expect=201)
    path = f"/{made['id']}"
    first = await call(domains, "POST", f"{path}/verify")
    assert (first["dns"], first["signs"]) == ("answered", False)
    assert {key["fault"] for key in first["keys"]} == {"There is no such TXT record yet"}
    publish(zone, made)
    found = await call(domains, "POST", f"{path}/verify")
    assert found["signs"] is True
    assert all(key["verified_at"] and key["fault"] is None for key in found["keys"])
    server.is_silent = True
    unheard = await call(domains, "POST", f"{path}/verify")
    assert (unheard["dns"], unheard["signs"]) == ("unknown", True)
    renewed = await call(domains, "PUT", path, json={"selector": "second"})
    assert len(renewed["keys"]) == 4
    assert renewed["signs"] is True
    assert (await call(domains, "PUT", path, json={"selector": "second"}, expect=409))[
        "code"
    ] == "SELECTOR_TAKEN"
    assert (await call(domains, "PUT", path, json={"sign": "never"}))["signs"] is False


async def test_only_administrators_change_domains(domains: Kit) -> None:
    operator = domains.headers("operator")
    await call(domains, "POST", json={"domain": "example.com"}, headers=operator, expect=403)
    assert await call(domains, "GET", headers=operator) == []
    await call(domains, "POST", f"/{uuid4()}/verify", expect=404)


async def test_what_a_campaign_sends_is_signed_and_verifies_after_its_way(
    domains: Kit, tmp_path: Path
) -> None:
    made = await call(domains, "POST", json={"domain": "example.com", "sign": "always"}, expect=201)
    records = {key["record"]["name"]: key["record"]["value"].encode() for key in made["keys"]}
    html = "<p>Ünïcödé  {{ first_name }}</p>\n.\n..two<a href='https://shop.example.com/'>x</a>" + "x" * 2000
    template = await domains.add_template(["en"], html)
    with smtp_sink(tmp_path) as sink:
        campaign = await domains.started(
            3, template_id=str(template), from_email="news@sub.example.com", from_name="Zoé, Ltd."
        )
        async with sending(domains, sink.port):
            await until(lambda: _is_sent(domains, campaign))
        mails = [message["content"].encode() for message in sink.messages()]
    assert len(mails) == 3
    for mail in mails:
        assert mail.count(b"DKIM-Signature:") == 2
        verdicts = [
            dkim.DKIM(mail).verify(
                idx=n, dnsfunc=lambda name, timeout=5: records.get(name.decode().rstrip("."))
            )
            for n in range(2)
        ]
        assert verdicts == [True, True]


async def _is_sent(kit: Kit, campaign: Any) -> bool:
    return bool(await status(kit, campaign) == "sent")
