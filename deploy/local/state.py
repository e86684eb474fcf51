"""Small facts that outlive a process: JSON files, locks, and which process is which."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

#: A new database and broker take 60 MB, and need air.
_SPACE = 200 << 20


class LocalStackError(Exception):
    """Something the person at the keyboard can act on; the message is the whole explanation."""


def private_dir(path: Path) -> Path:
    """Make `path` (mode 700 when it is new) and return it; an existing folder keeps its mode."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def require_space(folder: Path, needed: int = _SPACE) -> None:
    """Raises LocalStackError where less than `needed` bytes are free: servers say that in dark words."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise LocalStackError(
            f"Only {free >> 20} MB are free at {folder}; Tidings needs {needed >> 20} MB to start. "
            "TIDINGS_STATE names another folder for its data."
        )


def read_json(path: Path) -> dict[str, Any]:
    """The object stored at `path`, or an empty one when there is none or it was cut short."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace `path` in one step with mode 600, so that no reader sees half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        json.dump(content, handle, indent=1)
    temporary.replace(path)


@contextlib.contextmanager
def exclusive(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock file; yields False at once when `wait` is off and another process holds it."""
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


@dataclass(frozen=True)
class ProcessRef:
    """A process named by id and start time, because ids are used again."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> ProcessRef | None:
        """The running process with this id, or None."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    @classmethod
    def load(cls, content: dict[str, Any]) -> ProcessRef | None:
        pid, created = content.get("pid"), content.get("created")
        return cls(pid, created) if isinstance(pid, int) and isinstance(created, float) else None

    def dump(self) -> dict[str, Any]:
        return {"pid": self.pid, "created": self.created}

    def alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            # Clock corrections move the reported start time a little; another process is far away.
            same = abs(process.create_time() - self.created) < 2
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def stop(self, first: signal.Signals = signal.SIGTERM, patience: float = 20) -> None:
        """Ask with `first`, wait up to `patience` seconds, then kill. Returns when it is gone."""
        if not self.alive():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, first)
        if wait_until(lambda: not self.alive(), patience):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        wait_until(lambda: not self.alive(), 5)


def wait_until(condition: Any, seconds: float, *, every: float = 0.05) -> bool:
    """Poll `condition()` until it is true or `seconds` have passed; says which."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def free_port(preferred: int | None = None) -> int:
    """`preferred` when nothing listens there, else a port the kernel hands out on 127.0.0.1."""
    if preferred and port_is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Whether 127.0.0.1:port can be bound now (an address in TIME_WAIT counts as free)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def lease_port(usual: int, exits: contextlib.ExitStack) -> int:
    """`usual`, or one a person recognises (8010 for 8000), or at last any free port.

    No other installation of the same user takes it before `exits` is closed or this process ends, which
    matters between the choice and the moment a service listens there.
    """
    folder = private_dir(Path(tempfile.gettempdir()) / f"tidings-ports-{os.getuid()}")
    for port in range(usual, usual + 200, 10):
        with contextlib.ExitStack() as lease:
            if lease.enter_context(exclusive(folder / str(port), wait=False)) and port_is_free(port):
                exits.enter_context(lease.pop_all())
                return port
    return free_port()


def answers(port: int, host: str = "127.0.0.1", *, timeout: float = 1) -> bool:
    """Whether something accepts a TCP connection there."""
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return True
    except OSError:
        return False


def log_tail(path: Path, lines: int = 15, *, start: int = 0) -> str:
    """The last lines of a log, from byte `start` on, for an error message; empty when there is no log."""
    try:
        with path.open("rb") as log:
            log.seek(start)
            return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
