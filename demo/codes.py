"""Discount codes: out of a workbook, generated, and handed out by many callers at once."""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from demo.account import PROGRAMS
from demo.client import Line, wait_for
from demo.story import Story
from demo.workbook import make_workbook

_IMPORTED = 400
_GENERATED = 10_000
_ALLOCATED = 2_000
_CALLERS = 32
POOL = "spring"
_ALLOCATE = f"/codes/allocate?code_type=discount&pool={POOL}&mark_used=false"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def import_codes(story: Story) -> None:
    """Upload a workbook; every row is a code or is reported with its line and reason."""
    story.report.step("Importing codes.xlsx")
    file = make_workbook(_IMPORTED)
    story.report.say(
        f"{file.rows} rows, {len(file.content):,} bytes, {len(file.rejections)} of them unusable"
    )
    upload = {"file": ("codes.xlsx", file.content, _XLSX)}
    accepted = story.shop.send("POST", "/codes/import", files=upload, data={"pool": "workshops"}).json()[
        "data"
    ]
    batch = _made(story, accepted, file.rows)
    rejected = story.shop.pages(f"/codes/batches/{accepted['batch_id']}/rejections")
    exported = _exported(story, batch_id=accepted["batch_id"])
    first = story.shop.get("/codes/atelier-0001")
    story.report.table(
        "Codes of the workbook",
        [
            ("codes made", len(file.codes), batch["made"]),
            ("rows rejected", len(file.rejections), batch["rejected"]),
            (
                "codes in the export",
                len(file.codes),
                len({row["code"] for row in exported} & file.codes.keys()),
            ),
            *(
                (reason, number, Counter(row["reason_code"] for row in rejected)[reason])
                for reason, number in Counter(file.rejections.values()).most_common()
            ),
        ],
    )
    lines = {row["line_number"]: row["reason_code"] for row in rejected}
    story.report.check("rejected lines and reasons", file.rejections, lines)
    story.report.check("a code's studio", {"Studio": file.codes["ATELIER-0001"]}, first["metadata"])
    story.report.check("a code's limits", (1, 2), (first["limit_per_order"], first["limit_per_ticket"]))
    story.report.check("a code's end", "2036-12-31T18:00:00Z", first["expires_at"])


def generate(story: Story) -> None:
    """Ten thousand codes nobody can guess; a pattern that is too small is refused."""
    story.report.step("Generating codes")
    wanted = {"count": _GENERATED, "pattern": "SPRING-########", "check_symbol": True, "pool": POOL}
    began = time.monotonic()
    batch = _made(story, story.shop.post("/codes/bulk", wanted), _GENERATED)
    seconds = time.monotonic() - began
    story.report.say(f"{batch['made']:,} codes in {seconds:.1f} s, the job's start included")
    story.report.check("codes generated", _GENERATED, batch["made"])


def allocate(story: Story) -> None:
    """Many callers take codes out of one pool at the same time; none may get what another got."""
    story.report.step(f"{_CALLERS} callers take {_ALLOCATED:,} codes at the same time")
    began = time.monotonic()
    taken = _take_all(story)
    seconds = time.monotonic() - began
    story.report.say(
        f"{len(taken):,} codes in {seconds:.1f} s, one request each: {len(taken) / seconds:,.0f}/s"
    )
    exported = _exported(story, pool=POOL)
    by_status = Counter(row["status"] for row in exported)
    recorded = {row["code"]: row["recipient"] for row in exported if row["status"] == "allocated"}
    story.report.table(
        "Allocation",
        [
            ("codes handed out", _ALLOCATED, len(taken)),
            ("different codes", _ALLOCATED, len({code for code, _ in taken})),
            ("recorded for whom they went to", _ALLOCATED, len(set(taken) & set(recorded.items()))),
            ("allocated in the export", _ALLOCATED, by_status["allocated"]),
            ("still free", _GENERATED - _ALLOCATED, by_status["available"]),
        ],
    )
    _repeat_with_key(story)


def _take_all(story: Story) -> list[tuple[str, str]]:
    """Codes with the recipient each was taken for."""
    recipients = [f"guest-{number:04}@example.com" for number in range(_ALLOCATED)]
    shares = [(caller, recipients[caller::_CALLERS]) for caller in range(_CALLERS)]
    taken: list[tuple[str, str]] = []

    def take(caller: int, names: list[str]) -> None:
        with closing(Line(story.programs[caller % PROGRAMS])) as line:
            for name in names:
                code = line.post(_ALLOCATE, {"recipient": name})["code"]
                taken.append((code, name))

    with ThreadPoolExecutor(_CALLERS) as callers:
        work = [callers.submit(take, *share) for share in shares]
        while not all(one.done() for one in work):
            story.report.progress("codes", len(taken), _ALLOCATED)
            time.sleep(0.1)
        for one in work:
            one.result()
    return taken


def _repeat_with_key(story: Story) -> None:
    """A caller that did not hear the answer asks again with the same key."""
    key = {"Idempotency-Key": f"last-guest-{story.run}"}
    guest = {"recipient": "last-guest@example.com"}
    first, again = (story.shop.post(_ALLOCATE, guest, headers=key) for _ in range(2))
    story.report.check("a repeat with the same key gets the same code", first["code"], again["code"])
    story.report.say(f"The same Idempotency-Key twice: {first['code']} both times")


def _made(story: Story, accepted: dict[str, Any], total: int) -> dict[str, Any]:
    """The batch, once its job is done."""

    def look() -> dict[str, Any]:
        job: dict[str, Any] = story.shop.get(f"/batch-jobs/{accepted['job_id']}")
        story.report.progress("job", int((job.get("progress") or {}).get("done") or 0), total)
        return job

    done = wait_for(
        look,
        lambda job: job["status"] not in ("pending", "running"),
        what="the job that makes codes",
        seconds=60,
        every=0.25,
    )
    story.report.check("the job's status", "completed", done["status"])
    batch: dict[str, Any] = story.shop.get(f"/codes/batches/{accepted['batch_id']}")
    return batch


def _exported(story: Story, **filters: str) -> list[dict[str, str]]:
    text = story.shop.send("GET", "/codes/export.csv", params=filters).content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))
