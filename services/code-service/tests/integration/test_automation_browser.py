"""Jobs in a real browser on the simulated pages, from the request to the files they leave."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from code_service.settings import Settings
from tests.simulators.fienta import Site, running

from .automation_kit import Automation
from .codes_kit import Codes
from .fienta_kit import PNG, browsers_of
from .test_generation import finished

pytestmark = pytest.mark.chromium


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def settings(settings: Settings, site: Site) -> Iterator[Settings]:
    """The service's own, with the simulated pages as Fienta's."""
    with running(site) as url:
        yield settings.model_copy(
            update={
                "fienta_base_url": url,
                "fienta_delay_seconds": 0.05,
                "fienta_element_seconds": 2.0,
                "fienta_operation_seconds": 20.0,
                "fienta_login_seconds": 20.0,
            }
        )


@pytest.fixture
async def jobs(codes: Codes, site: Site) -> Automation:
    account = {"email": site.email, "password": site.password, "event_id": site.event}
    await codes.data("PUT", "/automation/fienta/credentials", account)
    return Automation(codes)


def at_shop(site: Site) -> list[tuple[str, str, int | None]]:
    return [(one.code, f"{one.amount.normalize():f}", one.usage_limit) for one in site.discounts.values()]


async def everything(jobs: Automation, job_id: str) -> str:
    """All that is told of a job: itself, its log, its rows, its files."""
    told = [
        (await jobs.codes.call("GET", f"/batch-jobs/{job_id}{path}")).text for path in ("", "/logs", "/rows")
    ]
    files = [(await jobs.download(job_id, name)).content for name in await jobs.names(job_id)]
    return "\n".join([*told, *(content.decode("latin-1") for content in files)])


def command_lines() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:  # it has ended meanwhile
            continue
    return "\n".join(found)


async def test_codes_are_made_and_renamed_on_the_pages(jobs: Automation, site: Site) -> None:
    site.add("OLD-1", "40")
    made = await jobs.run(
        "fienta/create-codes", "code,percent,order_limit\nNEW-1,40,2\nNEW-2,0,\nOLD-1,40,\n", dry_run="false"
    )
    assert made["status"] == "completed", made["error"]
    assert {name: made["result"][name] for name in ("done", "skipped", "failed")} == {
        "done": 2,
        "skipped": 1,
        "failed": 0,
    }
    flags = {"rename_prefix": "MOB-", "code_regex": "^NEW", "dry_run": "false"}
    renamed = await jobs.run("fienta/rename-codes", "code\nOLD-1\nNEW-1\nNEW-2\nNEW-3\n", **flags)
    assert (renamed["result"]["done"], renamed["result"]["failures"]) == (
        2,
        [{"line": 5, "code": "NEW-3", "reason": "Fienta has no code NEW-3"}],
    )
    assert at_shop(site) == [("OLD-1", "40", 1), ("MOB-01", "40", 2), ("MOB-02", "0", 1)]
    for job in (made, renamed):
        assert site.password not in await everything(jobs, job["id"])
    assert browsers_of() == []


async def test_a_page_that_changed_ends_the_job_with_a_picture(jobs: Automation, site: Site) -> None:
    site.faults.is_redesigned = True
    job = await jobs.run("fienta/create-codes", "code\nA\nB\n", discount_percent="40", dry_run="false")
    assert (job["status"], job["attempt"]) == ("failed_permanent", 1)
    pictures = [name for name in await jobs.names(job["id"]) if name.endswith(".png")]
    assert len(pictures) == 1
    assert (await jobs.download(job["id"], pictures[0])).content.startswith(PNG)
    assert site.password not in await everything(jobs, job["id"])
    assert [state for _, _, state, _ in await jobs.rows(job["id"])] == ["doing", "pending"]


async def test_a_cancelled_job_takes_its_browser_with_it(jobs: Automation, site: Site) -> None:
    site.faults.slow = 5.0
    accepted = await jobs.start("fienta/create-codes", "code\nA\n", discount_percent="40", dry_run="false")
    async with asyncio.timeout(60):
        while not browsers_of():  # noqa: ASYNC110  # a process has no event to wait for
            await asyncio.sleep(0.05)
    assert site.password not in command_lines()
    await jobs.codes.data("POST", f"/batch-jobs/{accepted['job_id']}/cancel")
    job: dict[str, Any] = await finished(jobs.codes, accepted["job_id"])
    assert (job["status"], browsers_of(), site.discounts) == ("cancelled", [], {})
