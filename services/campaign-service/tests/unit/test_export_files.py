"""Files of exports over several attempts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from campaign_service.contacts.operations.file import ExportFile, remove

PLAN: dict[str, Any] = {"id": "one", "path": None, "size": 0, "request": {"columns": ["plan"]}}


def opened(folder: Path, plan: dict[str, Any], attempt: int) -> ExportFile:
    return asyncio.run(ExportFile.open(folder, plan, attempt))


def test_an_attempt_goes_on_behind_what_the_one_before_had_committed(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    first = opened(folder, PLAN, 1)
    path, size = first.state
    with Path(path).open("a") as file:
        file.write("a batch whose transaction was lost\r\n")
    second = opened(folder, PLAN | {"path": path, "size": size}, 2)
    assert second.state == (str(folder / "one-2.csv"), size)
    lines = Path(second.state[0]).read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(",")[-1] for line in lines] == ["plan"]


def test_an_export_is_removed_with_all_its_attempts(tmp_path: Path) -> None:
    opened(tmp_path, PLAN, 1)
    last = opened(tmp_path, PLAN, 2)
    other = opened(tmp_path, PLAN | {"id": "other"}, 1)
    remove(Path(last.state[0]))
    assert [str(path) for path in tmp_path.iterdir()] == [other.state[0]]
