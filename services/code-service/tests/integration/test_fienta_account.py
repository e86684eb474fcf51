"""The tenant's account at Fienta: stored sealed, shown without its password, used by one worker at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from code_service.fienta.lease import hold_account
from code_service.fienta.port import (
    Discount,
    FientaBusy,
    FientaLoginFailed,
    FientaNotConfigured,
    NewDiscountCode,
)
from code_service.fienta.session import open_fienta
from code_service.settings import Settings
from shared.database import SimpleDatabase
from shared.testing import TokenMint
from shared.utils.logging import configure_logging
from tests.simulators.fienta import Site, running

from .codes_kit import Codes
from .fienta_kit import Kept, browsers_of

PATH = "/automation/fienta/credentials"
SECRET = "gr8-secret-for-fienta"
BODY = {"email": "organiser@example.com", "password": SECRET, "event_id": "118000", "organizer_id": "77"}


async def test_an_account_is_stored_shown_and_forgotten(codes: Codes) -> None:
    assert await codes.data("GET", PATH) == {
        "is_configured": False,
        "email": None,
        "event_id": None,
        "organizer_id": None,
        "has_password": False,
        "updated_at": None,
        "updated_by": None,
    }
    stored = await codes.data("PUT", PATH, BODY)
    assert (stored["email"], stored["event_id"], stored["organizer_id"]) == (BODY["email"], "118000", "77")
    assert stored["has_password"] is True
    assert stored["updated_by"].startswith("user:")
    assert await codes.data("GET", PATH) == stored
    assert (await codes.data("DELETE", PATH))["is_configured"] is False
    assert (await codes.data("GET", PATH))["is_configured"] is False


async def test_no_answer_holds_the_password(codes: Codes) -> None:
    answers = [
        await codes.call("PUT", PATH, BODY),
        await codes.call("GET", PATH),
        await codes.call("PUT", PATH, BODY | {"event_id": "not a number"}),
        await codes.call("PUT", PATH, BODY | {"password": [SECRET]}),
        await codes.call("DELETE", PATH),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 422, 422, 200]
    assert not [answer.text for answer in answers if SECRET in answer.text]


async def test_the_password_stays_as_long_as_the_address_does(codes: Codes) -> None:
    without = {name: value for name, value in BODY.items() if name != "password"}
    assert (await codes.call("PUT", PATH, without)).json()["error"]["field"] == "password"
    await codes.data("PUT", PATH, BODY)
    assert (await codes.data("PUT", PATH, without | {"event_id": "42"}))["event_id"] == "42"
    other = await codes.call("PUT", PATH, without | {"email": "other@example.com"})
    assert other.status_code == 422


async def test_only_administrators_see_and_change_it(codes: Codes, mint: TokenMint, tenant_a: UUID) -> None:
    operator = Codes(codes.client, mint.headers(tenant_a, "operator"))
    statuses = [(await operator.call(method, PATH, BODY)).status_code for method in ("GET", "PUT", "DELETE")]
    assert statuses == [403, 403, 403]


async def test_another_tenant_has_an_account_of_its_own(
    codes: Codes, mint: TokenMint, tenant_b: UUID
) -> None:
    await codes.data("PUT", PATH, BODY)
    other = Codes(codes.client, mint.headers(tenant_b))
    assert (await other.data("GET", PATH))["is_configured"] is False
    await other.data("DELETE", PATH)
    assert (await codes.data("GET", PATH))["is_configured"] is True


async def test_nothing_of_it_can_be_read_in_the_database(codes: Codes, database_dsn: str) -> None:
    await codes.data("PUT", PATH, BODY)
    connection = await asyncpg.connect(database_dsn)
    tables = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = $1::regnamespace", "code"
    )
    stored = "".join(
        [
            await connection.fetchval(
                f"SELECT coalesce(string_agg(to_jsonb(t)::text, ''), '') FROM code.{name} t"
            )
            for (name,) in tables
        ]
    )
    await connection.close()
    assert "sealed" in stored
    assert not [text for text in (SECRET, SECRET.encode().hex(), BODY["email"]) if text in stored]


async def test_a_moved_account_does_not_open(
    codes: Codes, mint: TokenMint, database_dsn: str, tenant_b: UUID
) -> None:
    await codes.data("PUT", PATH, BODY)
    connection = await asyncpg.connect(database_dsn)
    await connection.execute("UPDATE code.fienta_account SET tenant_id = $1", tenant_b)
    await connection.close()
    thief = Codes(codes.client, mint.headers(tenant_b))
    answer = await thief.call("GET", PATH)
    assert answer.status_code == 500
    assert BODY["email"] not in answer.text


async def test_one_account_has_one_worker_over_all_tenants(db: SimpleDatabase) -> None:
    async with hold_account(db, "Organiser@Example.com"):
        with pytest.raises(FientaBusy):
            async with hold_account(db, "organiser@example.com "):
                raise AssertionError("two workers on one account")
        async with hold_account(db, "other@example.com"):
            pass
    async with hold_account(db, "organiser@example.com") as again:
        again.check()


async def test_a_worker_that_died_loses_the_account(db: SimpleDatabase) -> None:
    dead = hold_account(db, "a@example.com", seconds=0.3, renew=60)
    held = await dead.__aenter__()
    await asyncio.sleep(0.35)
    with pytest.raises(FientaBusy, match="lost"):
        held.check()
    async with hold_account(db, "a@example.com") as successor:
        await dead.__aexit__(None, None, None)
        successor.check()
        with pytest.raises(FientaBusy):
            await hold_account(db, "a@example.com").__aenter__()


async def test_a_working_worker_keeps_the_account(db: SimpleDatabase) -> None:
    async with hold_account(db, "a@example.com", seconds=1.5, renew=0.15) as held:
        for _ in range(9):
            await asyncio.sleep(0.2)
            held.check()
        with pytest.raises(FientaBusy):
            await hold_account(db, "a@example.com").__aenter__()


async def test_a_tenant_without_an_account_is_told(
    settings: Settings, db: SimpleDatabase, tenant_a: UUID
) -> None:
    with pytest.raises(FientaNotConfigured, match="PUT /automation/fienta/credentials"):
        async with open_fienta(settings, db, tenant_a):
            raise AssertionError("there is no account")


@pytest.fixture
async def site() -> AsyncIterator[tuple[Site, Settings]]:
    """A simulated Fienta that knows the stored account, and settings that lead there."""
    site = Site(email=BODY["email"], password=SECRET, event=BODY["event_id"])
    with running(site) as url:
        yield site, Settings(python_env="test", fienta_base_url=url, fienta_delay_seconds=0)


@pytest.mark.chromium
async def test_a_job_works_on_the_pages_and_gives_nothing_away(
    codes: Codes,
    db: SimpleDatabase,
    site: tuple[Site, Settings],
    tenant_a: UUID,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """From the stored account to a code at Fienta; then the password is looked for in all that is left."""
    configure_logging("debug")
    await codes.data("PUT", PATH, BODY)
    kept, (fienta_site, settings) = Kept(), site
    async with open_fienta(settings, db, tenant_a, keep=kept.keep) as fienta:
        made = await fienta.create_code(NewDiscountCode("DOOR-1", Discount.of_percent(100)))
        commands = [_command(pid) for pid in browsers_of()]
        with pytest.raises(FientaBusy):
            async with open_fienta(settings, db, tenant_a):
                raise AssertionError("two workers on one account")
        fienta_site.password = "changed by the organiser"
        fienta_site.sessions.clear()
        with pytest.raises(FientaLoginFailed) as refused:
            await fienta.read_code("DOOR-1")
    assert made == await _again(settings, db, tenant_a, fienta_site)
    assert kept.has_picture("read_code")
    assert browsers_of() == []
    left = [
        *commands,
        *kept.files.values(),
        str(refused.value).encode(),
        "".join(capfd.readouterr()).encode(),
    ]
    configure_logging("error")
    assert len(commands) >= 3
    assert not [text for text in left if SECRET.encode() in text]


async def _again(settings: Settings, db: SimpleDatabase, tenant_id: UUID, site: Site) -> object:
    site.password = SECRET
    async with open_fienta(settings, db, tenant_id, event=site.event) as fienta:
        return await fienta.read_code("door-1")


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
