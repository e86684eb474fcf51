"""An Excel workbook, read by a program of its own that may take only so much memory and time.

What a workbook unpacks to is its writer's choice: two cells far apart are a table of gigabytes.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson

from code_service.exchange.table import Cells, Limits, UnreadableFileError

_ENVIRONMENT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_READER = "code_service.exchange.xlsx_reader"


def is_archive(path: Path) -> bool:
    """Whether a file is a ZIP archive, as workbooks are."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


class WorkbookTable:
    """See `table.Table`."""

    def __init__(self, path: Path, sheet: str | None, limits: Limits) -> None:
        options = orjson.dumps(limits).decode()
        # Only what Python needs to start: a process that reads a stranger's file has no use for secrets.
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-m", _READER, str(path), options, sheet or ""],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
        )

    def __enter__(self) -> WorkbookTable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the program. A reading in another thread sees the end of its output."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None, "it is a pipe"
        self._process.stdout.close()

    def __iter__(self) -> Iterator[tuple[int, Cells]]:
        output = self._process.stdout
        assert output is not None, "it is a pipe"
        for text in output:
            frame = cast(dict[str, Any], orjson.loads(text))
            if "error" in frame:
                raise UnreadableFileError(frame["error"])
            if "end" in frame:
                return
            yield from zip(frame["lines"], frame["rows"], strict=True)
        raise UnreadableFileError(
            "the workbook takes too much memory or time: its cells are too many or lie too far apart"
        )
