"""What changed between two exports of codes. The order of rows and columns does not matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from code_service.automation.planning.source import SourceRow, read_source
from code_service.fienta.port import normalised

Kind = Literal["added", "removed", "changed"]
#: Header of the report.
COLUMNS = ("change", "code", "column", "before", "after")
#: Both files are in memory at once.
MAX_CODES = 200_000
_Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of the report; for `changed` one column, else the whole code."""

    change: Kind
    code: str
    column: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Differences in order of kind, code and column, the numbers of codes, and columns of one file alone."""

    differences: list[Difference]
    counts: dict[str, int]
    columns_added: list[str]
    columns_removed: list[str]


def diff_files(
    before: Path, after: Path, *, code_column: str | None = None, check: Callable[[], None] = lambda: None
) -> Report:
    """Compare two files by their code. Raises PlanError for a file it cannot use; and what `check` does."""
    old_names, old_rows = read_source(before, column=code_column, most=MAX_CODES, check=check)
    new_names, new_rows = read_source(after, column=code_column, most=MAX_CODES, check=check)
    shared = sorted(set(old_names) & set(new_names) - {""})
    old, new = _grouped(old_rows, shared), _grouped(new_rows, shared)
    found = [one for key in sorted(old.keys() | new.keys()) for one in _compare(key, old, new, shared)]
    return Report(
        differences=sorted(
            found, key=lambda one: (one.change, normalised(one.code), one.column, one.before, one.after)
        ),
        counts=_counts(found, old, new),
        columns_added=sorted(set(new_names) - set(old_names)),
        columns_removed=sorted(set(old_names) - set(new_names)),
    )


def _grouped(rows: Sequence[SourceRow], names: Sequence[str]) -> Mapping[str, Counter[tuple[str, _Cells]]]:
    """Rows by what makes codes the same; each as the code and its cells, in the order of `names`."""
    groups: dict[str, Counter[tuple[str, _Cells]]] = {}
    for row in rows:
        if row.code:
            cells = tuple(row.cells.get(name, "") for name in names)
            groups.setdefault(normalised(row.code), Counter())[row.code, cells] += 1
    return groups


def _compare(
    key: str,
    old: Mapping[str, Counter[tuple[str, _Cells]]],
    new: Mapping[str, Counter[tuple[str, _Cells]]],
    names: Sequence[str],
) -> Iterator[Difference]:
    """Equal rows cancel out; what is left over is paired in a fixed order."""
    before, after = old.get(key, Counter()), new.get(key, Counter())
    gone, come = sorted((before - after).elements()), sorted((after - before).elements())
    for (_, left), (code, right) in zip(gone, come, strict=False):
        for name, one, other in zip(names, left, right, strict=True):
            if one != other:
                yield Difference("changed", code, name, one, other)
    for code, _ in gone[len(come) :]:
        yield Difference("removed", code)
    for code, _ in come[len(gone) :]:
        yield Difference("added", code)


def _counts(
    found: Sequence[Difference],
    old: Mapping[str, Counter[tuple[str, _Cells]]],
    new: Mapping[str, Counter[tuple[str, _Cells]]],
) -> dict[str, int]:
    codes = {kind: len({normalised(one.code) for one in found if one.change == kind}) for kind in _KINDS}
    touched = {normalised(one.code) for one in found}
    return codes | {"unchanged": len((old.keys() & new.keys()) - touched)}


_KINDS: tuple[Kind, ...] = ("added", "removed", "changed")
