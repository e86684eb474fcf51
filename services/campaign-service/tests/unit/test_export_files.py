"""Files of exports over several attempts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from campaign_service.contacts.operations.file import ExportFile, remove

PLAN: dict[str, Any] = {"id": "one", "path": None, "size": 0, "request": {"columns": ["plan"]}}


async def test_an_attempt_goes_on_behind_what_the_one_before_had_committed(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    first = await ExportFile.open(folder, PLAN, 1)
    path, size = first.state
    with Path(path).open("a") as file:
        file.write("a batch whose transaction was lost\r\n")
    second = await ExportFile.open(folder, PLAN | {"path": path, "size": size}, 2)
    assert second.state == (str(folder / "one-2.csv"), size)
    lines = Path(second.state[0]).read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(",")[-1] for line in lines] == ["plan"]


async def test_an_export_is_removed_with_all_its_attempts(tmp_path: Path) -> None:
    await ExportFile.open(tmp_path, PLAN, 1)
    last = await ExportFile.open(tmp_path, PLAN, 2)
    other = await ExportFile.open(tmp_path, PLAN | {"id": "other"}, 1)
    remove(Path(last.state[0]))
    assert [str(path) for path in tmp_path.iterdir()] == [other.state[0]]
