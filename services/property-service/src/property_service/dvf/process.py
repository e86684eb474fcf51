"""The reader program as a child process, its output as chunks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from property_service.dvf.layouts import UnreadableFileError
from property_service.dvf.reader import HEADER, STRETCH

#: Chunks that may wait while the database is at work; the reader waits then.
_AHEAD = 4
_PIPE = 1 << 20
_ENVIRONMENT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH")


class UnorderedFileError(Exception):
    """Departments come again: the file is to be read as a whole."""


class ReaderDiedError(RuntimeError):
    """The program ended without saying why; the next attempt may fare better."""


@dataclass
class Chunk:
    """A stretch of a file: COPY text, rejections ([line, code, reason, raw]) and counts so far.

    The first chunk of each member has `head`. With `communes` the rows so far are complete mutations.
    """

    head: dict[str, Any] | None = None
    rows: list[bytes] = field(default_factory=list)
    rejections: list[list[Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    communes: dict[str, Any] | None = None


_ENDS = (UnreadableFileError, UnorderedFileError, ReaderDiedError)


@asynccontextmanager
async def read_file(path: Path, stretch: int = STRETCH) -> AsyncIterator[AsyncIterator[Chunk]]:
    """Run the reader on a file. It is killed, with all it started, when the block is left early.

    While chunks are read it raises UnreadableFileError, ReaderDiedError or, unless `stretch` is 0,
    UnorderedFileError.
    """
    process = await _start(path, stretch)
    queue: asyncio.Queue[Chunk | None] = asyncio.Queue(_AHEAD)
    assert process.stdout is not None
    pump = asyncio.create_task(_pump(process.stdout, queue))
    try:
        yield _chunks(queue, pump)
    finally:
        pump.cancel()
        with contextlib.suppress(asyncio.CancelledError, *_ENDS):
            await pump
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _start(path: Path, stretch: int) -> asyncio.subprocess.Process:
    # Only what Python needs to start: the child has no use for the service's secrets.
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "property_service.dvf.reader",
        str(path),
        str(stretch),
        stdout=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        limit=_PIPE,
        env=environment,
    )


async def _pump(stream: asyncio.StreamReader, queue: asyncio.Queue[Chunk | None]) -> None:
    """Read ahead, so that the program parses on while the database works on the chunk before."""
    chunk = Chunk()
    while True:
        kind, payload = await _frame(stream)
        if kind == b"H":
            chunk.head = json.loads(payload)
        elif kind == b"R":
            chunk.rows.append(payload)
        elif kind == b"J":
            chunk.rejections.extend(json.loads(payload))
        elif kind == b"C":
            chunk.counts = json.loads(payload)
        elif kind in (b"B", b"M"):
            chunk.communes = json.loads(payload)
        else:
            # The end, good or bad: the consumer is told, and learns from this task which of them.
            await queue.put(None)
            if kind != b"D":
                raise _failure(kind, payload)
            return
        if kind in (b"C", b"B", b"M"):
            await queue.put(chunk)
            chunk = Chunk()


async def _frame(stream: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One frame; (b"", b"") when the program ended without a last one."""
    try:
        kind, size = HEADER.unpack(await stream.readexactly(HEADER.size))
        return kind, await stream.readexactly(size)
    except asyncio.IncompleteReadError:
        return b"", b""


async def _chunks(queue: asyncio.Queue[Chunk | None], pump: asyncio.Task[None]) -> AsyncIterator[Chunk]:
    while (chunk := await queue.get()) is not None:
        yield chunk
    await pump


def _failure(kind: bytes, payload: bytes) -> Exception:
    if kind == b"E":
        error = json.loads(payload)
        return UnreadableFileError(error["code"], error["message"])
    if kind == b"U":
        return UnorderedFileError()
    return ReaderDiedError("the program that reads the file ended unexpectedly")
