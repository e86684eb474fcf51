import asyncio
import re
from typing import Any
from uuid import UUID

import pytest

from shared.testing import TokenMint

from .codes_kit import Codes, refusal

ENDED = ("completed", "failed_permanent", "cancelled")


async def finished(codes: Codes, job_id: str) -> dict[str, Any]:
    """The job once it has ended."""
    for _ in range(1200):
        job: dict[str, Any] = await codes.data("GET", f"/batch-jobs/{job_id}")
        if job["status"] in ENDED:
            return job
        await asyncio.sleep(0.05)
    raise AssertionError(f"the job still runs: {job}")


async def test_a_job_makes_the_codes_of_a_pattern(codes: Codes) -> None:
    body = {
        "count": 300,
        "pattern": "##-####",
        "prefix": "MOB-",
        "charset": "numbers",
        "check_symbol": True,
        "pool": "vip",
        "limit_per_order": 1,
        "metadata": {"discount_percent": 40},
    }
    answer = await codes.call("POST", "/codes/bulk", body)
    assert answer.status_code == 202
    accepted = answer.json()["data"]
    job = await finished(codes, accepted["job_id"])
    assert (job["status"], job["result"]["made"]) == ("completed", 300)
    assert job["progress"] == {"done": 300, "total": 300}
    made = await codes.data("GET", f"/codes?batch_id={accepted['batch_id']}&limit=200")
    assert all(re.fullmatch(r"MOB-\d\d-\d{5}", code["code"]) for code in made)
    assert {(code["pool"], code["limit_per_order"], code["status"]) for code in made} == {
        ("vip", 1, "available")
    }
    assert made[0]["metadata"] == {"discount_percent": 40}
    assert await codes.history(made[0]["code"]) == [("create", None, "available")]
    assert (await codes.data("GET", f"/codes/batches/{accepted['batch_id']}"))["made"] == 300
    assert (await codes.data("POST", "/codes/allocate?pool=vip"))["code"].startswith("MOB-")


@pytest.mark.parametrize(("count", "words"), [(1001, "too few"), (101, "easy to guess")])
async def test_more_than_a_tenth_of_the_space_is_refused(codes: Codes, count: int, words: str) -> None:
    answer = await codes.call("POST", "/codes/bulk", {"count": count, "pattern": "###", "charset": "numbers"})
    assert refusal(answer) == (400, "PATTERN_TOO_SMALL")
    assert words in answer.json()["error"]["message"]
    assert await codes.data("GET", "/batch-jobs") == []


async def test_batches_of_one_pattern_cannot_use_it_up(codes: Codes) -> None:
    body = {"count": 100, "pattern": "###", "charset": "numbers"}
    statuses = []
    for _ in range(6):
        accepted = await codes.data("POST", "/codes/bulk", body)
        statuses.append((await finished(codes, accepted["job_id"]))["status"])
    assert statuses[0] == "completed"
    assert statuses[-1] == "failed_permanent"


async def test_many_codes_in_one_job(codes: Codes) -> None:
    accepted = await codes.data("POST", "/codes/bulk", {"count": 50_000, "length": 10})
    job = await finished(codes, accepted["job_id"])
    assert (job["status"], job["result"]["made"]) == ("completed", 50_000)
    given = await codes.data("POST", "/codes/allocate/batch", {"count": 1000})
    assert len({code["code"] for code in given["codes"]}) == 1000


async def test_a_batch_that_is_not_there(codes: Codes) -> None:
    missing = "00000000-0000-7000-8000-000000000000"
    assert (await codes.call("GET", f"/codes/batches/{missing}")).status_code == 404
    assert (await codes.call("GET", f"/codes/batches/{missing}/rejections")).status_code == 404


async def test_figures_of_jobs(codes: Codes, mint: TokenMint, tenant_b: UUID) -> None:
    assert (await codes.data("GET", "/batch-jobs/stats/summary"))["total"] == 0
    accepted = await codes.data("POST", "/codes/bulk", {"count": 3})
    await finished(codes, accepted["job_id"])
    assert await codes.data("GET", "/batch-jobs/stats/summary") == {
        "total": 1,
        "by_status": {"completed": 1},
        "by_type": {"codes.generate": {"completed": 1}},
    }
    assert await codes.data("GET", "/batch-jobs/running/status") == []
    other = Codes(codes.client, mint.headers(tenant_b))
    assert (await other.data("GET", "/batch-jobs/stats/summary"))["total"] == 0


async def test_what_runs_is_shown_and_can_be_cancelled(codes: Codes) -> None:
    accepted = await codes.data("POST", "/codes/bulk", {"count": 900_000})
    running: list[dict[str, Any]] = []
    for _ in range(1200):
        if running := await codes.data("GET", "/batch-jobs/running/status"):
            break
        await asyncio.sleep(0.05)
    assert [job["id"] for job in running] == [accepted["job_id"]]
    await codes.data("POST", f"/batch-jobs/{accepted['job_id']}/cancel")
    assert (await finished(codes, accepted["job_id"]))["status"] == "cancelled"
    batch = await codes.data("GET", f"/codes/batches/{accepted['batch_id']}")
    assert batch["made"] % 5_000 == 0
    assert batch["made"] < 900_000
