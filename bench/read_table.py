"""How fast a workbook of codes is read, beside the same rows as CSV.

    python3 bench/read_table.py [--rows 100000] [--rounds 5]

Six columns, as a ticket shop exports them. Measured in turn, medians:
- workbook: as an import reads it, with the start of its process and the checks against bombs;
- CSV: the same rows as CSV, as an import reads them;
- csv module: the same file by Python's csv module alone.
"""

# ruff: noqa: E402  # run as a program, it prepares the environment before the rest can be imported
from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from deploy.local.bootstrap import enter

    enter(__file__)

import argparse
import csv
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator

import xlsxwriter

from bench.http_load import machine
from code_service.exchange.files import open_table

_HEADER = ["code", "type", "pool", "order_limit", "ticket_limit", "studio"]


def rows(count: int) -> Iterator[list[str | int]]:
    for number in range(count):
        yield [f"CODE-{number:07}", "discount", "default", 1, 2, f"studio {number % 500}"]


def write(folder: Path, count: int) -> tuple[Path, Path]:
    workbook, text = folder / "codes.xlsx", folder / "codes.csv"
    with xlsxwriter.Workbook(workbook, {"constant_memory": True}) as book:
        sheet = book.add_worksheet("Codes")
        sheet.write_row(0, 0, _HEADER)
        for place, row in enumerate(rows(count), start=1):
            sheet.write_row(place, 0, row)
    with text.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=";").writerows([_HEADER, *rows(count)])
    return workbook, text


def by_import(path: Path) -> int:
    with open_table(path) as table:
        return sum(1 for _ in table)


def by_module(path: Path) -> int:
    with path.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file, delimiter=";"))


def measured(read: Callable[[Path], int], path: Path, wanted: int) -> tuple[float, float]:
    """Seconds of the clock, and of the processors: the cost on a machine that is busy with other things."""
    began, used = time.perf_counter(), _processor()
    found = read(path)
    assert found == wanted, f"{found} rows instead of {wanted}"
    return time.perf_counter() - began, _processor() - used


def _processor() -> float:
    times = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workbook, text = write(Path(folder), options.rows)
        readers = {
            "workbook": (by_import, workbook),
            "CSV": (by_import, text),
            "csv module": (by_module, text),
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in readers}
        for _ in range(options.rounds):
            for name, (read, path) in readers.items():
                found[name].append(measured(read, path, options.rows + 1))
        print(f"{machine()}; {options.rows:,} rows of {len(_HEADER)} columns\n")
        print(f"{'':<12}{'seconds':>9}{'CPU s':>8}{'MiB':>7}{'to the csv module':>20}")
        module = statistics.median(clock for clock, _ in found["csv module"])
        for name, (_, path) in readers.items():
            clock, processor = (statistics.median(column) for column in zip(*found[name], strict=True))
            size = path.stat().st_size / 2**20
            print(f"{name:<12}{clock:>9.2f}{processor:>8.2f}{size:>7.1f}{clock / module:>20.1f}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\nPeak memory of the process that reads the workbook: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
