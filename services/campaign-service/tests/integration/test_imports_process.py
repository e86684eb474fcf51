import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

from campaign_service.imports.process import ReaderDiedError, read_file
from campaign_service.imports.reader import CHUNK, FIRST_CHUNK, UnreadableFileError


@pytest.fixture
def big_file(tmp_path: Path) -> Path:
    """More chunks than are read ahead."""
    path = tmp_path / "big.csv"
    rows = "".join(f"person{i}@example.com,Anna {i}\n" for i in range(FIRST_CHUNK + 5 * CHUNK))
    path.write_text("email,name\n" + rows)
    return path


def readers() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "campaign_service.imports.reader" in p.cmdline()]


async def test_chunks_come_whole_and_in_order(big_file: Path) -> None:
    sizes, lines = [], []
    async with read_file(big_file, {}) as reading:
        assert reading.head["columns"]["fields"] == {"email": 0, "full_name": 1}
        async for chunk in reading.chunks:
            sizes.append(b"".join(chunk.rows).count(b"\n"))
            lines.append(chunk.counts["lines"])
    assert sizes == [FIRST_CHUNK, CHUNK, CHUNK, CHUNK, CHUNK, CHUNK, 0]
    assert lines == sorted(lines)
    assert lines[-1] == reading.head["lines"]


async def test_leaving_early_ends_the_program(big_file: Path) -> None:
    with pytest.raises(ConnectionError):
        async with read_file(big_file, {}) as reading:
            async for _ in reading.chunks:
                # Until the program has run ahead as far as it may.
                await asyncio.sleep(0.5)
                raise ConnectionError("the database went away")
    assert readers() == []


async def test_a_cancelled_import_ends_the_program(big_file: Path) -> None:
    started = asyncio.Event()

    async def consume() -> None:
        async with read_file(big_file, {}) as reading:
            async for _ in reading.chunks:
                started.set()
                await asyncio.sleep(3600)

    task = asyncio.create_task(consume())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert readers() == []


async def test_a_program_that_dies_is_not_taken_for_the_end_of_the_file(big_file: Path) -> None:
    with pytest.raises(ReaderDiedError):
        async with read_file(big_file, {}) as reading:
            async for _ in reading.chunks:
                for process in readers():
                    os.kill(process.pid, signal.SIGKILL)


async def test_a_file_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="no longer there"):
        async with read_file(tmp_path / "nothing.csv", {}):
            pytest.fail("there is nothing to read")
