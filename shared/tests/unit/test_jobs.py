"""Schedules and declarations of jobs."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.jobs import JobContext, JobRunner, Schedule, job
from shared.jobs.children import run_child


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "zone", "now", "due"),
    [
        (60, "UTC", "2026-05-01 12:00:59", "2026-05-01 12:00:00"),
        (3600, "Europe/Vienna", "2026-05-01 12:30", "2026-05-01 12:00"),
        ("06:30", "UTC", "2026-05-01 06:29", "2026-04-30 06:30"),
        ("06:30", "UTC", "2026-05-01 06:30", "2026-05-01 06:30"),
        ("00:00", "America/New_York", "2026-05-01 03:59", "2026-04-30 04:00"),
        ("30 6 * * *", "UTC", "2026-05-01 07:00", "2026-05-01 06:30"),
        ("*/15 * * * *", "UTC", "2026-05-01 07:44", "2026-05-01 07:30"),
        ("5-59/20 9,17 * * *", "UTC", "2026-05-01 16:00", "2026-05-01 09:45"),
        ("0 8 * * 1-5", "UTC", "2026-05-03 12:00", "2026-05-01 08:00"),
        ("0 8 * * 0", "UTC", "2026-05-04 12:00", "2026-05-03 08:00"),
        ("0 8 * * 7", "UTC", "2026-05-04 12:00", "2026-05-03 08:00"),
        ("0 0 1 * *", "UTC", "2026-05-31 12:00", "2026-05-01 00:00"),
        ("0 0 29 2 *", "UTC", "2027-06-01 12:00", "2024-02-29 00:00"),
        ("0 0 13 * 5", "UTC", "2026-05-14 12:00", "2026-05-13 00:00"),
        # Clocks go forward at 02:00 in Vienna: the skipped 02:30 is at 03:30 summer time.
        ("02:30", "Europe/Vienna", "2026-03-29 01:29", "2026-03-28 01:30"),
        ("02:30", "Europe/Vienna", "2026-03-29 01:30", "2026-03-29 01:30"),
        # They go back at 03:00: 02:30 comes twice, the first one counts.
        ("02:30", "Europe/Vienna", "2026-10-25 00:30", "2026-10-25 00:30"),
        ("02:30", "Europe/Vienna", "2026-10-25 02:00", "2026-10-25 00:30"),
    ],
)
def test_latest_due_time(when: int | str, zone: str, now: str, due: str) -> None:
    assert Schedule("s", when, "t", time_zone=zone).latest_due(at(now)) == at(due)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),  # noqa: DTZ001  # made aware below
    st.sampled_from(["02:30", "*/20 1-3 * * *", "0 0 1 * *", 777]),
    st.sampled_from(["UTC", "Europe/Vienna", "America/Sao_Paulo", "Australia/Lord_Howe"]),
)
def test_due_time_is_never_ahead_and_stays_until_the_next(
    moment: datetime, when: int | str, zone: str
) -> None:
    now = moment.replace(tzinfo=UTC)
    schedule = Schedule("s", when, "t", time_zone=zone)
    due = schedule.latest_due(now)
    assert due <= now
    assert schedule.latest_due(due) == due
    assert schedule.latest_due(due + (now - due) / 2) == due
    assert schedule.latest_due(now + timedelta(days=1)) >= due


@pytest.mark.parametrize(
    "when", [0, -5, "25:00", "* * * *", "61 * * * *", "*/0 * * * *", "5-1 * * * *", "a b c d e"]
)
def test_wrong_schedule_is_refused(when: int | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Schedule("s", when, "t").latest_due(at("2026-05-01 12:00"))


def test_day_that_never_comes_is_refused() -> None:
    with pytest.raises(ValueError, match="never due"):
        Schedule("s", "0 0 31 2 *", "t").latest_due(at("2026-05-01 12:00"))


@job("a.job", timeout=5, max_attempts=7, backoff=2)
async def a_job(_: JobContext) -> None: ...


class _Schema:
    schema = "campaign"


async def test_wrong_wiring_is_refused_at_once() -> None:
    db: Any = _Schema()
    runner = JobRunner(db)
    assert (a_job.type, a_job.timeout, a_job.max_attempts, a_job.backoff) == ("a.job", 5, 7, 2)
    with pytest.raises(ValueError, match="share a name"):
        runner.bind(None, [a_job, a_job])
    with pytest.raises(ValueError, match="share a name"):
        runner.bind(None, [a_job], [Schedule("s", 60, "a.job")] * 2)
    with pytest.raises(ValueError, match="no kind of job"):
        runner.bind(None, [a_job], [Schedule("s", 60, "another")])
    with pytest.raises(ValueError, match="cron"):
        runner.bind(None, [a_job], [Schedule("s", "whenever", "a.job")])


async def test_child_output_is_cut_into_lines_whatever_its_shape() -> None:
    lines: list[str] = []

    async def keep(line: str) -> None:
        lines.append(line)

    program = r"import sys; sys.stdout.buffer.write(b'one\r\n\xff\n' + b'x' * 200000)"
    result = await run_child([sys.executable, "-c", program], stop=asyncio.Event(), on_line=keep)
    assert result.returncode == 0
    assert lines[:2] == ["one", "\N{REPLACEMENT CHARACTER}"]
    assert "".join(lines[2:]) == "x" * 200000
