"""Jobs at the ticket shop that are stopped, killed or find the shop closed: no row twice, no row lost."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from code_service.app import create_app
from code_service.automation.shop import use_shop
from code_service.batch_jobs.files import JobFiles
from code_service.batch_jobs.job import forget_files
from code_service.settings import Settings
from shared.database import SimpleDatabase
from shared.testing import FakeClock, TokenMint
from shared.testing.clients import service_client

from .automation_kit import Automation
from .codes_kit import Codes
from .shop_kit import FileShop
from .test_generation import finished

ROWS = "code\nA\nB\nC\nD\n"


@pytest.fixture
def shop(tmp_path: Path) -> FileShop:
    return FileShop(tmp_path / "shop.json")


async def eventually(condition: Callable[[], Awaitable[Any]], seconds: float = 30) -> None:
    """Wait until it holds; the limit only ends a test that hangs."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


async def make(jobs: Automation) -> str:
    accepted = await jobs.start("fienta/create-codes", ROWS, discount_percent="40", dry_run="false")
    return str(accepted["job_id"])


async def states(jobs: Automation, job_id: str) -> list[str]:
    return [state for _, _, state, _ in await jobs.rows(job_id)]


async def test_a_cancelled_job_stops_at_once_and_goes_on_where_it_was(
    codes: Codes, app: FastAPI, shop: FileShop
) -> None:
    jobs = Automation(codes)
    use_shop(app.state.runtime, shop.open)
    shop.slow, shop.stop_after = 0.1, 2
    await codes.create("B")
    job_id = await make(jobs)

    async def hangs() -> bool:
        return len(shop.calls) == 2

    await eventually(hangs)
    assert (await codes.get("B"))["sync_state"] == "pushing"
    assert [job["id"] for job in await codes.data("GET", "/batch-jobs/running/status")] == [job_id]
    await codes.data("POST", f"/batch-jobs/{job_id}/cancel")
    job = await finished(codes, job_id)
    assert (job["status"], job["progress"]["done"]) == ("cancelled", 1)
    assert await states(jobs, job_id) == ["done", "doing", "pending", "pending"]
    assert (await codes.get("B"))["sync_state"] == "drift"
    assert [row["state"] for row in await jobs.table(job_id, "results.csv")] == await states(jobs, job_id)

    shop.stop_after = None
    await codes.data("POST", f"/batch-jobs/{job_id}/requeue")
    job = await finished(codes, job_id)
    assert (job["status"], job["result"]["done"]) == ("completed", 4)
    assert shop.calls == ["create A", "create B", "create C", "create D"]
    assert (await jobs.rows(job_id))[1][2:] == ("done", "was made by the try before")
    assert (await codes.get("B"))["sync_state"] == "synced"


async def test_codes_of_rows_that_wait_are_pending_until_their_turn_or_the_end_of_the_job(
    codes: Codes, app: FastAPI, db: SimpleDatabase, tenant_a: UUID, shop: FileShop
) -> None:
    jobs = Automation(codes)
    use_shop(app.state.runtime, shop.open)
    shop.stop_after = 1
    for name in "BCDE":
        await codes.create(name)
    async with db.tenant_tx(tenant_a) as tx:
        await tx.execute(
            "UPDATE code SET sync_state = 'synced' WHERE tenant_id = $1 AND code > 'B'", tenant_a
        )

    async def synced() -> dict[str, str]:
        return {code["code"]: code["sync_state"] for code in await codes.data("GET", "/codes")}

    async def hangs() -> bool:
        return len(shop.calls) == 1

    before = await synced()
    job_id = await make(jobs)
    await eventually(hangs)
    assert await synced() == {"B": "pending", "C": "pending", "D": "pending", "E": "synced"}
    await codes.data("PUT", "/codes/C", {"limit_per_order": 7})
    assert (await codes.get("C"))["sync_state"] == "pending"
    await codes.data("POST", f"/batch-jobs/{job_id}/cancel")
    await finished(codes, job_id)
    assert await synced() == before | {"C": "drift"}

    shop.stop_after = None
    await app.state.runtime.jobs.pause("fienta.create_codes")
    await codes.data("POST", f"/batch-jobs/{job_id}/requeue")
    waiting = {"B": "pending", "C": "pending", "D": "pending", "E": "synced"}
    assert await synced() == waiting
    rehearsal = await jobs.start("fienta/create-codes", "code\nB\nE\n", discount_percent="40")
    await codes.data("POST", f"/batch-jobs/{rehearsal['job_id']}/cancel")
    assert await synced() == waiting
    await codes.data("POST", f"/batch-jobs/{job_id}/cancel")
    assert await synced() == before | {"C": "drift"}


async def test_a_code_for_which_two_jobs_wait_is_pending_until_the_last_has_ended(
    codes: Codes, app: FastAPI, shop: FileShop
) -> None:
    jobs = Automation(codes)
    use_shop(app.state.runtime, shop.open)
    shop.add("B")
    await codes.create("B")
    await app.state.runtime.jobs.pause("fienta.create_codes")
    first, second = await make(jobs), await make(jobs)
    await codes.data("POST", f"/batch-jobs/{first}/cancel")
    assert (await codes.get("B"))["sync_state"] == "pending"

    update = {"discount_percent": "40", "dry_run": "false"}
    done = await jobs.run("fienta/update-discount", "code\nB\n", **update)
    assert done["status"] == "completed"
    assert (await codes.get("B"))["sync_state"] == "pending"
    await codes.data("POST", f"/batch-jobs/{second}/cancel")
    assert (await codes.get("B"))["sync_state"] == "synced"

    await codes.data("POST", f"/batch-jobs/{first}/requeue")
    await codes.data("POST", f"/batch-jobs/{second}/requeue")
    await codes.data("POST", f"/batch-jobs/{second}/cancel")
    assert (await codes.get("B"))["sync_state"] == "pending"
    await codes.data("POST", f"/batch-jobs/{first}/cancel")
    assert (await codes.get("B"))["sync_state"] == "synced"


async def test_a_late_job_is_stopped_and_its_next_attempt_goes_on(
    settings: Settings, db: SimpleDatabase, mint: TokenMint, tenant_a: UUID, clock: FakeClock, shop: FileShop
) -> None:
    app = create_app(settings.model_copy(update={"job_timeout_seconds": 2}))
    async with service_client(app, db, mint, clock) as client:
        jobs = lasting(client, mint, tenant_a, clock)
        use_shop(app.state.runtime, shop.open)
        shop.stop_after = 1
        await jobs.codes.create("A")
        job_id = await make(jobs)

        async def is_late_at_the_shop() -> bool:
            found = await jobs.codes.data("GET", f"/batch-jobs/{job_id}")
            is_late = (found["status"], found["error"]) == ("pending", "timed out after 2 s")
            if is_late and not shop.calls:
                clock.advance(120)  # a busy machine: it did not get that far
            return is_late and bool(shop.calls)

        await eventually(is_late_at_the_shop)
        assert (await jobs.codes.get("A"))["sync_state"] == "drift"
    shop.stop_after = None
    # On a busy machine two seconds may be too few for the other rows.
    patient = create_app(settings)
    async with service_client(patient, db, mint, clock) as client:
        use_shop(patient.state.runtime, shop.open)
        clock.advance(120)
        jobs = lasting(client, mint, tenant_a, clock)
        job = await finished(jobs.codes, job_id)
        assert (await jobs.codes.get("A"))["sync_state"] == "synced"
    assert (job["status"], job["result"]["done"]) == ("completed", 4)
    assert shop.calls == ["create A", "create B", "create C", "create D"]


def lasting(client: httpx.AsyncClient, mint: TokenMint, tenant: UUID, clock: FakeClock) -> Automation:
    headers = mint.headers(tenant, exp=int(clock.now().timestamp()) + 10**7)
    return Automation(Codes(client, headers))


async def waiting(jobs: Automation, job_id: str, error: str) -> dict[str, Any]:
    """The job once it waits for another attempt, because of an error."""
    found: dict[str, Any] = {}

    async def waits() -> bool:
        found.update(await jobs.codes.data("GET", f"/batch-jobs/{job_id}"))
        return (found["status"], found["error"]) == ("pending", error)

    await eventually(waits)
    return found


async def test_a_shop_that_is_busy_or_out_of_order_costs_no_attempts_while_the_work_goes_on(
    timed: Codes, app: FastAPI, clock: FakeClock, shop: FileShop
) -> None:
    jobs = Automation(timed)
    use_shop(app.state.runtime, shop.open)
    shop.busy = 1
    shop.broken = {"C"}
    shop.add("A", 99)
    job_id = await make(jobs)
    job = await waiting(jobs, job_id, "another worker uses this account at Fienta")
    assert job["attempt"] == 0
    clock.advance(11)
    job = await waiting(jobs, job_id, "the page of C does not answer")
    assert (job["attempt"], await states(jobs, job_id)) == (0, ["failed", "done", "doing", "pending"])
    clock.advance(61)
    error = "FientaUnavailable: the page of C does not answer"
    assert (await waiting(jobs, job_id, error))["attempt"] == 1
    clock.advance(3600)
    job = await finished(timed, job_id)
    assert (job["status"], job["attempt"]) == ("completed", 2)
    assert (await jobs.rows(job_id, "failed"))[1:] == [
        (4, "C", "failed", "given up after 3 tries: the page of C does not answer")
    ]
    rows = await timed.data("GET", f"/batch-jobs/{job_id}/rows")
    assert [row["tries"] for row in rows] == [1, 1, 3, 1]
    assert shop.calls == ["create B", "create D"]


WORKER = """
import asyncio, sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, sys.argv[1])
from shop_kit import FileShop

from code_service.automation.jobs import JOBS
from code_service.automation.shop import use_shop
from code_service.settings import Settings
from shared.config import DatabaseConfig
from shared.database import SimpleDatabase
from shared.events import EventBus
from shared.jobs import JobRunner
from shared.utils import SystemClock

async def main(url, data_dir, shop, stop_after):
    db = SimpleDatabase(DatabaseConfig(url=url), "code")
    await db.connect()
    runtime = SimpleNamespace(
        name="code-service", db=db, clock=SystemClock(), config=Settings(data_dir=data_dir), extras={},
        events=EventBus(db, service="code-service"),
    )
    use_shop(runtime, FileShop(Path(shop), stop_after=stop_after).open)
    runner = JobRunner(db, poll=0.05, heartbeat=0.1, lease=0.5)
    runner.bind(runtime, JOBS)
    await runner.start()
    await asyncio.sleep(600)

asyncio.run(main(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]) or None))
"""


async def test_a_job_killed_in_the_middle_of_a_row_goes_on_at_that_row(
    settings: Settings, db: SimpleDatabase, mint: TokenMint, tenant_a: UUID, shop: FileShop
) -> None:
    app = create_app(settings.model_copy(update={"service_role": "api"}))
    url = db._config.url.get_secret_value()

    async def worker(stop_after: int) -> asyncio.subprocess.Process:
        arguments = (str(Path(__file__).parent), url, str(settings.data_dir), str(shop.path), str(stop_after))
        return await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, *arguments)

    async with service_client(app, db, mint) as client:
        jobs = Automation(Codes(client, mint.headers(tenant_a)))
        job_id = await make(jobs)
        first = await worker(stop_after=2)

        async def hangs() -> bool:
            return len(shop.calls) == 2

        await eventually(hangs)
        os.kill(first.pid, signal.SIGKILL)
        await first.wait()
        assert await states(jobs, job_id) == ["done", "doing", "pending", "pending"]
        second = await worker(stop_after=0)
        try:
            job = await finished(jobs.codes, job_id)
        finally:
            second.kill()
            await second.wait()
        assert (job["status"], job["attempt"], job["result"]["done"]) == ("completed", 2, 4)
        assert shop.calls == ["create A", "create B", "create C", "create D"]
        log = await jobs.codes.data("GET", f"/batch-jobs/{job_id}/logs")
        assert [line["line"] for line in log] == [
            "line 2: A done",
            "line 3: B done: was made by the try before",
            "line 4: C done",
            "line 5: D done",
        ]


async def test_files_of_forgotten_jobs_go_with_them(
    codes: Codes, app: FastAPI, settings: Settings, db: SimpleDatabase, tenant_a: UUID, shop: FileShop
) -> None:
    jobs = Automation(codes)
    use_shop(app.state.runtime, shop.open)
    kept, forgotten = [await jobs.run("fienta/create-codes", ROWS, discount_percent="40") for _ in range(2)]
    left = settings.data_dir / "tenants" / str(tenant_a) / "incoming" / "left"
    left.mkdir(parents=True)
    folders = [JobFiles(settings.data_dir, tenant_a, UUID(job["id"])).folder for job in (kept, forgotten)]
    for folder in (*folders, left):
        os.utime(folder, (0, 0))
    async with db.system_tx() as tx:
        await tx.execute("DELETE FROM job WHERE id = $1", UUID(forgotten["id"]))
        rows = "SELECT count(*) FROM automation_step WHERE job_id = $1"
        assert await tx.fetchval(rows, UUID(forgotten["id"])) == 0
        cleaning = await app.state.runtime.jobs.enqueue(tx, forget_files.type, {}, tenant_id=None)

    async def cleaned() -> bool:
        async with db.system_tx() as tx:
            job = await app.state.runtime.jobs.get(tx, None, cleaning.id)
        return str(job.status) == "completed"

    await eventually(cleaned)
    assert [folder.exists() for folder in (*folders, left)] == [True, False, False]
