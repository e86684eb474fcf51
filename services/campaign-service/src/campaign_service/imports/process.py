"""The reader program as a child process, its output as chunks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaign_service.contacts.definitions.values import ANYTHING, Rules
from campaign_service.imports.reader import HEADER, UnreadableFileError

_AHEAD = 2
_PIPE = 1 << 20
_ENVIRONMENT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH")


class ReaderDiedError(RuntimeError):
    """The program ended without saying why; the next attempt may fare better."""


@dataclass
class Chunk:
    """Rows (COPY CSV), rejections ([line, code, reason, raw]) and counts so far, of a stretch of the file."""

    rows: list[bytes] = field(default_factory=list)
    rejections: list[list[Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass
class Reading:
    """`head` is what was found out about the file: encoding, delimiter, columns, lines."""

    head: dict[str, Any]
    chunks: AsyncIterator[Chunk]


@asynccontextmanager
async def read_file(
    path: Path, mapping: Mapping[str, Any], rules: Rules = ANYTHING
) -> AsyncIterator[Reading]:
    """Run the reader on a file. It is killed, with all it started, when the block is left early.

    Raises UnreadableFileError or ReaderDiedError, also while chunks are read.
    """
    # Only what Python needs to start: the child has no use for the service's secrets.
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "campaign_service.imports.reader",
        str(path),
        json.dumps(mapping),
        json.dumps(rules.as_json()),
        stdout=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        limit=_PIPE,
        env=environment,
    )
    queue: asyncio.Queue[Chunk | None] = asyncio.Queue(_AHEAD)
    assert process.stdout is not None
    stream = process.stdout
    try:
        kind, payload = await _frame(stream)
        if kind != b"H":
            raise _failure(kind, payload)
        pump = asyncio.create_task(_pump(stream, queue))
        try:
            yield Reading(json.loads(payload), _chunks(queue, pump))
        finally:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError, UnreadableFileError, ReaderDiedError):
                await pump
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _frame(stream: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One frame; (b"", b"") when the program ended without a last one."""
    try:
        kind, size = HEADER.unpack(await stream.readexactly(HEADER.size))
        return kind, await stream.readexactly(size)
    except asyncio.IncompleteReadError:
        return b"", b""


async def _pump(stream: asyncio.StreamReader, queue: asyncio.Queue[Chunk | None]) -> None:
    """Read ahead, so that the program parses on while the database works on the chunk before."""
    chunk = Chunk()
    while True:
        kind, payload = await _frame(stream)
        if kind == b"R":
            chunk.rows.append(payload)
        elif kind == b"J":
            chunk.rejections.extend(json.loads(payload))
        elif kind == b"C":
            chunk.counts = json.loads(payload)
            await queue.put(chunk)
            chunk = Chunk()
        else:
            # The end, good or bad: the consumer is told, and learns from this task which of them.
            await queue.put(None)
            if kind != b"D":
                raise _failure(kind, payload)
            return


async def _chunks(queue: asyncio.Queue[Chunk | None], pump: asyncio.Task[None]) -> AsyncIterator[Chunk]:
    while (chunk := await queue.get()) is not None:
        yield chunk
    await pump


def _failure(kind: bytes, payload: bytes) -> Exception:
    if kind == b"E":
        error = json.loads(payload)
        return UnreadableFileError(error["code"], error["message"])
    return ReaderDiedError("the program that reads the file ended unexpectedly")
