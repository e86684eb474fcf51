"""`python -m tools.lints`: check the whole repository; exit status 1 when a rule is broken."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tools.lints.rules import Violation, check_source, lock_file

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {".venv", ".tidings", ".git", "__pycache__", "build", "dist", ".hypothesis"}


def check(root: Path) -> Iterator[Violation]:
    """Every violation below `root`."""
    for path in sorted(root.rglob("*.py")):
        relative = PurePosixPath(path.relative_to(root).as_posix())
        if not SKIPPED & set(relative.parts):
            yield from check_source(relative, path.read_text("utf-8"))
    for path in sorted(root.glob("requirements*.txt")):
        yield from lock_file(PurePosixPath(path.name), path.read_text("utf-8"))


def main() -> int:
    found = list(check(ROOT))
    for violation in found:
        print(violation)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
