import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.state import (
    LocalStackError,
    ProcessRef,
    exclusive,
    read_json,
    require_space,
    write_json,
)


def test_state_file_is_private_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    write_json(path, {"a": 1})
    write_json(path, {"b": 2})
    assert read_json(path) == {"b": 2}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_damaged_state_file_counts_as_empty(tmp_path: Path, content: str) -> None:
    path = tmp_path / "facts.json"
    path.write_text(content)
    assert read_json(path) == {}


def test_second_holder_of_a_lock_is_told_at_once(tmp_path: Path) -> None:
    with exclusive(tmp_path / "lock") as first, exclusive(tmp_path / "lock", wait=False) as second:
        assert (first, second) == (True, False)
    with exclusive(tmp_path / "lock", wait=False) as third:
        assert third


def test_process_is_recognised_until_it_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        ref = ProcessRef.of(process.pid)
        assert ref is not None
        assert ProcessRef.load(ref.dump()) == ref
        assert ref.alive()
        assert not ProcessRef(ref.pid, ref.created - 60).alive()
        ref.stop()
        assert not ref.alive()


def test_full_disk_is_said_in_clear_words(tmp_path: Path) -> None:
    require_space(tmp_path, 1)
    with pytest.raises(LocalStackError, match=r"Only \d+ MB are free at .* needs 1099511627776 MB"):
        require_space(tmp_path, 1 << 60)
