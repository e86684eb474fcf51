"""A child process that ends when its job ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

_CHUNK = 64 * 1024
_TAIL_LINES = 50
#: Marks all that a child has started: some (browsers) leave its process group, or lose their parent.
_MARK = "TIDINGS_CHILD"
#: Together with the second that a job may take to hear of it, a cancelled one has ended within two.
GRACE_SECONDS = 0.8
_KILL_ROUNDS = 50

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
    grace: float = GRACE_SECONDS,
) -> ChildResult:
    """Run a program in a process group of its own, handing each line of its output to `on_line`.

    When it ends, `stop` is set or the caller is cancelled, all that it started gets SIGTERM and, `grace`
    seconds later, SIGKILL: nothing is left behind. Where there is no /proc, that is its group alone.
    """
    mark = uuid4().hex
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        cwd=cwd,
        env={**(os.environ if env is None else env), _MARK: mark},
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
        await _end(process, mark, grace)
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


async def _end(process: asyncio.subprocess.Process, mark: str, grace: float) -> None:
    """End all that is left, also when the program itself has ended and left children."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + grace
    _signal(process, mark, signal.SIGTERM)
    while _is_alive(process, mark) and loop.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.05)  # the end of so many has no event to wait for
    for _ in range(_KILL_ROUNDS):
        _signal(process, mark, signal.SIGKILL)
        if not _marked(mark):
            return
        await asyncio.sleep(0.02)


def _is_alive(process: asyncio.subprocess.Process, mark: str) -> bool:
    return process.returncode is None or _send(os.killpg, process.pid, 0) or bool(_marked(mark))


def _signal(process: asyncio.subprocess.Process, mark: str, number: int) -> None:
    _send(os.killpg, process.pid, number)
    for pid in _marked(mark):
        _send(os.kill, pid, number)


def _marked(mark: str) -> list[int]:
    """Living processes with the mark in their environment, which children inherit."""
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended meanwhile, or is another user's
            if wanted in environment.read_bytes().split(b"\x00"):
                found.append(int(environment.parent.name))
    return found


def _send(kill: Callable[[int, int], None], target: int, number: int) -> bool:
    try:
        kill(target, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
