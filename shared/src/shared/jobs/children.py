"""A child process that ends when its job ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 64 * 1024
_TAIL_LINES = 50

OnLine = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ChildResult:
    """Exit status (negative for a signal) and the last lines of its output."""

    returncode: int
    tail: tuple[str, ...]


async def run_child(
    argv: Sequence[str],
    *,
    stop: asyncio.Event,
    on_line: OnLine,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    grace: float = 5.0,
) -> ChildResult:
    """Run a program in a process group of its own, handing each line of its output to `on_line`.

    When `stop` is set or the caller is cancelled, the whole group gets SIGTERM and, `grace` seconds later,
    SIGKILL: nothing that the program started is left behind.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        cwd=cwd,
        env=env,
    )
    tail: list[str] = []
    reading = asyncio.create_task(_read(process, tail, on_line))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            await reading
    finally:
        stopping.cancel()
        await _end_group(process, grace)
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
    return ChildResult(await process.wait(), tuple(tail))


async def _read(process: asyncio.subprocess.Process, tail: list[str], on_line: OnLine) -> None:
    assert process.stdout is not None
    rest = b""
    while chunk := await process.stdout.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            await _pass_on(line, tail, on_line)
        if len(rest) > _CHUNK:
            await _pass_on(rest, tail, on_line)
            rest = b""
    if rest:
        await _pass_on(rest, tail, on_line)
    await process.wait()


async def _pass_on(line: bytes, tail: list[str], on_line: OnLine) -> None:
    text = line.decode("utf-8", "replace").rstrip("\r")
    tail.append(text)
    del tail[:-_TAIL_LINES]
    await on_line(text)


async def _end_group(process: asyncio.subprocess.Process, grace: float) -> None:
    """End what is left of the group, also when its leader has ended and left children."""
    _signal_group(process.pid, signal.SIGTERM)
    deadline = asyncio.get_running_loop().time() + grace
    while _group_lives(process) and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.02)  # the end of a whole group has no event to wait for
    _signal_group(process.pid, signal.SIGKILL)


def _group_lives(process: asyncio.subprocess.Process) -> bool:
    return process.returncode is None or _signal_group(process.pid, 0)


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
