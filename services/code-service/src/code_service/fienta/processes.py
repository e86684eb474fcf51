"""Ends every process of a browser, however it was left.

A browser gets a folder of its own as its profile and its home. Whatever it starts has that folder in its
command line or environment, so nothing of it can hide, and nothing of anybody else is hit. Where there is no
/proc, the ends of the browser's pipes have to do.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "tidings-fienta-"
_PROC = Path("/proc")
_ROUNDS = 100


def new_folder() -> Path:
    """An empty folder whose name tells which process it belongs to."""
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))


def end_all(folder: Path) -> int:
    """Kill everything that belongs to the folder, then remove it; how many processes there were."""
    seen: set[int] = set()
    for _ in range(_ROUNDS):
        living = set(processes_of(folder))
        if not living:
            break
        seen |= living
        for pid in living:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    shutil.rmtree(folder, ignore_errors=True)
    return len(seen)


def processes_of(folder: Path) -> Iterator[int]:
    """Living processes with the folder in their command line or environment."""
    needle = os.fsencode(folder)
    for entry in _PROC.glob("[0-9]*"):
        pid = int(entry.name)
        if pid != os.getpid() and _mentions(entry, needle):
            yield pid


def _mentions(entry: Path, needle: bytes) -> bool:
    # Both files of a process that has ended and waits for its parent are empty.
    for name in ("cmdline", "environ"):
        with contextlib.suppress(OSError):
            if needle in (entry / name).read_bytes():
                return True
    return False


def parent_of(pid: int) -> int | None:
    """The process that started it; None when it has ended."""
    with contextlib.suppress(OSError):
        return int((_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return None


def clear_leftovers() -> None:
    """End the browsers of processes that died without doing so themselves."""
    if not _PROC.is_dir():
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if owner.isdigit() and not (_PROC / owner).exists() and folder.stat().st_uid == os.getuid():
                end_all(folder)
