"""One supervised process: started, asked whether it is ready, started again when it dies, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from deploy.local.process import end_with_parent
from deploy.local.state import LocalStackError, log_tail, private_dir

READY_SECONDS = 90
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
STEADY_SECONDS = 60
MAX_LOG_BYTES = 20 << 20


@dataclass
class Supervised:
    """A child process with a log file and an HTTP address that says when it is ready."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    ready_url: str
    restarts: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _started: float = 0.0
    _log_start: int = 0
    _pause: float = FIRST_PAUSE
    _due: float | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it now. Its output goes to the log; its life ends with ours at the latest."""
        private_dir(self.log.parent)
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > MAX_LOG_BYTES:
                self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent(),
            )
        self._started, self._due = time.monotonic(), None

    def is_ready(self) -> bool:
        """Whether its address answers 200 now, and it is this process that answers."""
        try:
            with urllib.request.urlopen(self.ready_url, timeout=2) as answer:
                return answer.status == 200 and self._listens()
        except OSError:
            return False

    def _listens(self) -> bool:
        """Whether the port is ours: a stranger may have taken it after we chose it."""
        if self.pid is None:
            return False
        port = urlsplit(self.ready_url).port
        try:
            ours = psutil.Process(self.pid).net_connections("inet")
        except psutil.AccessDenied:
            return True
        except psutil.Error:
            return False
        return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in ours)

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Return when it is ready. Raises LocalStackError when it ends first or takes too long."""
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if self.pid is None:
                raise LocalStackError(f"{self.name} ended while starting; {self._log_words()}")
            if time.monotonic() > deadline:
                raise LocalStackError(f"{self.name} was not ready after {seconds:.0f} s; {self._log_words()}")
            time.sleep(0.05)

    def _log_words(self) -> str:
        return f"its log is {self.log}:\n{log_tail(self.log, start=self._log_start)}"

    def tend(self) -> str | None:
        """Start it again, after a growing pause, when it has died; says in words what was done."""
        if self._process is None or self._process.poll() is None:
            return None
        now = time.monotonic()
        if self._due is None:
            if now - self._started > STEADY_SECONDS:
                self._pause = FIRST_PAUSE
            self._due, pause = now + self._pause, self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            ended = f"{self.name} ended with {self._process.returncode}"
            return f"{ended}; starting it again in {pause:g} s ({self.log})"
        if now >= self._due:
            self.restarts += 1
            self.start()
            return f"{self.name} was started again"
        return None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to its own children."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def end(self, seconds: float = 25) -> None:
        """Wait for it to end after SIGTERM, then kill what is left of it."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        # The group may outlive its leader: a job's child program, for example.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
