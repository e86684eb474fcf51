"""A tenant's own providers: settings, order, circuits, and that nobody gets a mail twice."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from campaign_service.channels import repository
from shared.utils import uuid7
from tests.simulators.processes import smtp_sink
from tests.simulators.smtp_sink import Fault

from .campaigns_kit import Kit
from .test_sending_worker import campaign_to, sending, states, status, until


def smtp(name: str, port: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "smtp", "host": "127.0.0.1", "port": port, "security": "none", **more}


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


async def configure(kit: Kit, *providers: dict[str, Any], expected: int = 200) -> Any:
    path = f"/api/v2/sending/{kit.tenant}/channels"
    answer = await kit.request("PUT", path, json={"email": list(providers)})
    assert answer.status_code == expected, answer.text
    return answer.json().get("data") or answer.json()["error"]


async def circuits(kit: Kit) -> dict[str, str]:
    answer = await kit.request("GET", f"/api/v2/sending/{kit.tenant}/channels")
    return {row["name"]: row["circuit"]["state"] for row in answer.json()["data"]["email"]}


async def test_providers_are_kept_in_order_and_their_secrets_are_never_given_out(lone_kit: Kit) -> None:
    before = await lone_kit.request("GET", f"/api/v2/sending/{lone_kit.tenant}/channels")
    assert before.json()["data"] == {"email": [], "uses_default": True}
    second = {"name": "second", "kind": "powermta-http", "url": "https://pmta.example.com:8585"}
    stored = await configure(
        lone_kit,
        smtp("first", 25, username="us", secret="a-secret-word"),
        second | {"secret": "another-secret-word"},
    )
    assert [row["name"] for row in stored["email"]] == ["first", "second"]
    again = await configure(lone_kit, second, smtp("first", 25, username="us"))
    assert [(row["name"], row["has_secret"]) for row in again["email"]] == [("second", True), ("first", True)]
    rows = await lone_kit.fetch("SELECT * FROM sending_provider WHERE tenant_id = $1", lone_kit.tenant)
    assert "secret-word" not in f"{stored}{again}{rows}"


async def test_a_secret_is_not_sent_to_another_place_than_it_was_given_for(lone_kit: Kit) -> None:
    first = {"name": "main", "kind": "messenger", "url": "https://one.example.com/in", "secret": "s"}
    await configure(lone_kit, first)
    del first["secret"]
    error = await configure(lone_kit, first | {"url": "https://two.example.com/in"}, expected=400)
    assert error["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    "provider",
    [
        {"name": "a", "kind": "messenger", "url": "https://10.0.0.1/in", "secret": "s"},
        {"name": "a", "kind": "messenger", "url": "http://shop.example.com/in", "secret": "s"},
        {"name": "a", "kind": "messenger", "url": "https://[::ffff:10.0.0.1]/in", "secret": "s"},
        {"name": "a", "kind": "smtp", "host": "192.168.1.1", "security": "none"},
        {"name": "a", "kind": "smtp", "host": "localhost", "security": "none"},
        {"name": "a", "kind": "smtp", "host": "mail.example.com", "security": "none", "username": "us"},
        {"name": "a", "kind": "smtp", "host": "mail.example.com", "virtual_mta": "a\r\nBcc: x"},
    ],
)
async def test_addresses_of_our_own_network_and_unsafe_settings_are_refused(
    kit: Kit, provider: dict[str, Any]
) -> None:
    path = f"/api/v2/sending/{kit.tenant}/channels"
    answer = await kit.request("PUT", path, json={"email": [provider]})
    assert answer.status_code in (400, 422)


async def test_a_tenants_mail_leaves_by_its_own_server_in_its_own_dress(
    lone_kit: Kit, tmp_path: Path
) -> None:
    with smtp_sink(tmp_path) as sink:
        own = smtp("own", sink.port, verp_domain="bounce.example.com", virtual_mta="pool-1", job_header=True)
        await configure(lone_kit, own)
        campaign = await campaign_to(lone_kit, "ann", "bea")
        async with sending(lone_kit, free_port()):
            await until(lambda: _is(lone_kit, campaign, "sent"))
        messages = sink.messages()
    assert {m["recipient"] for m in messages} == {"ann@example.com", "bea@example.com"}
    for message in messages:
        assert message["sender"].endswith("@bounce.example.com")
        assert message["content"].startswith(f"x-virtual-mta: pool-1\r\nx-job: {campaign}\r\n")


async def _is(kit: Kit, campaign: Any, wanted: str) -> bool:
    return await status(kit, campaign) == wanted


async def test_the_next_provider_takes_over_from_one_that_cannot_be_reached(
    lone_kit: Kit, tmp_path: Path
) -> None:
    with smtp_sink(tmp_path) as sink:
        await configure(lone_kit, smtp("broken", free_port()), smtp("spare", sink.port))
        campaign = await lone_kit.started(30)
        async with sending(lone_kit, free_port()):
            await until(lambda: _is(lone_kit, campaign, "sent"))
        taken = [message["recipient"] for message in sink.messages()]
    assert len(taken) == len(set(taken)) == 30
    assert (await circuits(lone_kit))["spare"] == "closed"


async def test_a_server_in_trouble_is_left_alone_and_then_tried_again(lone_kit: Kit, tmp_path: Path) -> None:
    (tmp_path / "spare").mkdir()
    full = Fault("", "mail", reply="421 4.3.2 shutting down")
    with smtp_sink(tmp_path, full) as first, smtp_sink(tmp_path / "spare") as spare:
        await configure(lone_kit, smtp("first", first.port), smtp("spare", spare.port))
        campaign = await lone_kit.started(40)
        async with sending(lone_kit, free_port()):
            await until(lambda: _is(lone_kit, campaign, "sent"))
        assert await circuits(lone_kit) == {"first": "open", "spare": "closed"}
        assert len(spare.messages()) == 40
        rows = await lone_kit.recipients(campaign)
        assert {row["attempts"] for row in rows} == {1}


async def test_a_circuit_opens_after_failures_in_a_row_and_one_caller_tries_it(lone_kit: Kit) -> None:
    await configure(lone_kit, smtp("only", free_port()))
    (row,) = await lone_kit.fetch("SELECT id FROM sending_provider WHERE tenant_id = $1", lone_kit.tenant)
    now, seen = lone_kit.clock.now(), []
    async with lone_kit.db.tenant_tx(lone_kit.tenant) as tx:
        for _ in range(3):
            await repository.failed(tx, lone_kit.tenant, row["id"], "down", now, threshold=3)
            (found,) = await repository.providers(tx, lone_kit.tenant)
            seen.append(found["circuit"])
        assert seen == ["closed", "closed", "open"]
        assert not await repository.try_again(tx, lone_kit.tenant, row["id"], now, 60)
        later = found["retry_at"]
        assert await repository.try_again(tx, lone_kit.tenant, row["id"], later, 60)
        assert not await repository.try_again(tx, lone_kit.tenant, row["id"], later, 60)
        await repository.failed(tx, lone_kit.tenant, row["id"], "down", later, threshold=3)
        (found,) = await repository.providers(tx, lone_kit.tenant)
        assert found["circuit"] == "open"
        assert found["retry_at"] > later
        await repository.worked(tx, lone_kit.tenant, row["id"])
        (found,) = await repository.providers(tx, lone_kit.tenant)
        assert (found["circuit"], found["failures"]) == ("closed", 0)


async def test_a_mail_of_unknown_outcome_is_given_to_no_other_provider(lone_kit: Kit, tmp_path: Path) -> None:
    (tmp_path / "spare").mkdir()
    lost = Fault("^ann@", "content", "take_and_drop")
    with smtp_sink(tmp_path, lost) as first, smtp_sink(tmp_path / "spare") as spare:
        await configure(lone_kit, smtp("first", first.port), smtp("spare", spare.port))
        campaign = await campaign_to(lone_kit, "ann", "bea")
        async with sending(lone_kit, free_port()):
            await until(lambda: _is(lone_kit, campaign, "partially_failed"))
        assert await states(lone_kit, campaign) == {"ann": "ambiguous", "bea": "accepted"}
        assert "ann@example.com" not in [m["recipient"] for m in spare.messages()]


async def test_a_tenant_whose_providers_are_down_holds_up_nobody(lone_kit: Kit, tmp_path: Path) -> None:
    await configure(lone_kit, smtp("broken", free_port()))
    waiting = await lone_kit.started(20)
    other = Kit(lone_kit.client, lone_kit.runtime, lone_kit.db, lone_kit.mint, lone_kit.clock, uuid7())
    campaign = await other.started(20)
    with smtp_sink(tmp_path) as sink:
        async with sending(lone_kit, sink.port):
            await until(lambda: _is(other, campaign, "sent"))
            await until(lambda: _opened(lone_kit))
        assert len(sink.messages()) == 20
    assert set((await states(lone_kit, waiting)).values()) == {"queued"}


async def _opened(kit: Kit) -> bool:
    return (await circuits(kit))["broken"] == "open"
