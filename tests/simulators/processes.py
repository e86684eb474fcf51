"""Start and stop simulators from tests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.simulators.smtp_sink import Behaviour, Fault

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class RunningSink:
    """A sink process; `messages` reads what it has taken so far."""

    port: int
    record: Path
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def messages(self) -> list[dict[str, Any]]:
        if not self.record.exists():
            return []
        text = self.record.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n") if line.endswith("}")]


@contextmanager
def smtp_sink(folder: Path, *faults: Fault, port: int = 0, **behaviour: Any) -> Iterator[RunningSink]:
    """A recording SMTP server in a process of its own, on `port` or a free one."""
    wanted = json.dumps(asdict(Behaviour(faults=faults, **behaviour)))
    record = folder / "mails.jsonl"
    command = [
        sys.executable,
        "-m",
        "tests.simulators.smtp_sink",
        "--record",
        str(record),
        "--port",
        str(port),
    ]
    process = subprocess.Popen([*command, "--behaviour", wanted], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield RunningSink(int(process.stdout.readline()), record, process)
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
