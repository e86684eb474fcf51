"""The commands as administrators and cron call them, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from property_service import commands
from shared.database.roles import runtime_dsn
from shared.testing.databases import ROLE_SECRET
from shared.utils.logging import configure_logging

from .reports_kit import Agency


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, database_dsn: str) -> Iterator[None]:
    for name, value in {
        "PYTHON_ENV": "test",
        "LOG_LEVEL": "error",
        "DATABASE_URL": runtime_dsn(database_dsn, "property", ROLE_SECRET),
        "EVENTS_URL": "postgres://",
        "CAMPAIGN_SERVICE_URL": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    yield
    # The commands made the log write to what the test captured.
    configure_logging("error")


async def run(*arguments: str) -> int:
    # Each has a loop of its own, as a process has.
    return await asyncio.to_thread(commands.main, arguments)


async def turns(agency: Agency) -> list[dict[str, Any]]:
    return await agency.db.query("SELECT kind FROM client_turn ORDER BY kind", tenant_id=agency.tenant)


async def test_daily_does_a_day_of_every_tenant(agency: Agency, capsys: pytest.CaptureFixture[str]) -> None:
    other = await agency.neighbour()
    for owner in (agency, other):
        await owner.client(15)
        await owner.client(16)
    assert await run("daily", "--date", "2027-03-15") == 0
    told = capsys.readouterr().out
    for owner in (agency, other):
        assert [turn["kind"] for turn in await turns(owner)] == ["notice", "report"]
        assert f"{owner.tenant}: 1 noticed, 1 started, 0 busy, 0 retried" in told


async def test_daily_of_one_tenant_leaves_the_others(agency: Agency) -> None:
    other = await agency.neighbour()
    for owner in (agency, other):
        await owner.client(15)
    assert await run("daily", "--date", "2027-03-15", "--tenant", str(other.tenant)) == 0
    assert await turns(agency) == []
    assert len(await turns(other)) == 1


async def test_trouble_with_one_tenant_does_not_keep_the_others_waiting(
    agency: Agency, capsys: pytest.CaptureFixture[str]
) -> None:
    other = await agency.neighbour()
    for owner in (agency, other):
        await owner.client(16)
    first, second = sorted((agency, other), key=lambda owner: owner.tenant)
    async with agency.db.tenant_tx(first.tenant) as tx:
        await tx.execute("UPDATE client SET time_zone = 'Nowhere' WHERE tenant_id = $1", first.tenant)
    assert await run("daily", "--date", "2027-03-15") == 1
    assert f"{first.tenant}: failed: " in capsys.readouterr().err
    assert (len(await turns(first)), len(await turns(second))) == (0, 1)


async def test_daily_of_a_tenant_without_clients_is_told(
    agency: Agency, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("daily", "--tenant", str(agency.tenant)) == 1
    assert f"{agency.tenant} has no clients" in capsys.readouterr().err


async def test_test_email_says_that_the_mail_server_could_not_be_asked(
    agency: Agency, capsys: pytest.CaptureFixture[str]
) -> None:
    await agency.client()
    assert await run("test-email", "--recipient", "me@example.com", "--test", "monthly") == 1
    assert capsys.readouterr().out.startswith("Monthly notification email to me@example.com waits: campaign")


async def test_test_email_needs_to_know_whose_brand(
    agency: Agency, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("test-email", "--recipient", "me@example.com") == 2
    assert "There are 0 tenants with clients: say which one by --tenant" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("daily", "--date", "2027-02-29"),
        ("daily", "--date", "0001-01-01"),
        ("test-email",),
        ("test-email", "--recipient", "me"),
        ("test-email", "--recipient", "me@example.com", "--test", "birthday"),
        ("yearly",),
    ],
)
def test_wrong_arguments_are_told(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        commands.main(arguments)
    assert stopped.value.code == 2
    assert "usage" in capsys.readouterr().err
