import subprocess
import sys
import threading
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from code_service.exchange.files import open_table, read_table
from code_service.exchange.table import Limits, UnreadableFileError
from code_service.exchange.xlsx_table import WorkbookTable

SMALL = Limits(rows=3, columns=30, unpacked=200_000, ratio=20, memory=512 * 1024**2, seconds=5)


def workbook(path: Path, rows: list[list[Any]], **cells: Any) -> Path:
    """A workbook with one sheet, Codes; `cells` are further ones by their name."""
    with xlsxwriter.Workbook(path, {"default_date_format": "dd.mm.yyyy"}) as book:
        sheet = book.add_worksheet("Codes")
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
        for name, value in cells.items():
            sheet.write(name, value)
    return path


def read(path: Path, limits: Limits = SMALL, sheet: str | None = None) -> list[tuple[int, list[str]]]:
    with open_table(path, sheet=sheet, limits=limits) as table:
        return list(table)


def test_cells_of_a_sheet_are_text_as_csv_would_have_it(tmp_path: Path) -> None:
    late = datetime(2026, 12, 31, 18, tzinfo=UTC).replace(tzinfo=None)
    rows: list[list[Any]] = [
        ["code", " Limit "],
        [],
        ["A-1", 2],
        [12345.0, 0.5],
        [True, late],
        ["=1+1", date(2027, 1, 2)],
    ]
    assert read(workbook(tmp_path / "a.xlsx", rows), Limits()) == [
        (1, ["code", "Limit"]),
        (3, ["A-1", "2"]),
        (4, ["12345", "0.5"]),
        (5, ["true", "2026-12-31T18:00:00"]),
        (6, ["0", "2027-01-02"]),
    ]


def test_rows_come_by_column_name_from_either_kind_of_file(tmp_path: Path) -> None:
    as_xlsx = workbook(tmp_path / "a", [["Code", "Order Limit"], ["A", 1], ["B"]])
    as_csv = tmp_path / "b"
    as_csv.write_text("Code;Order Limit\nA;1\nB\n")
    wanted = [(2, {"code": "A", "order_limit": "1"}), (3, {"code": "B", "order_limit": ""})]
    assert list(read_table(as_xlsx, needs=("code",))) == wanted == list(read_table(as_csv))
    with pytest.raises(UnreadableFileError, match="no column named studio"):
        list(read_table(as_csv, needs=("code", "studio")))


def test_the_first_sheet_that_is_shown_is_read_unless_one_is_named(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        for name in ("Hidden", "Shown"):
            book.add_worksheet(name).write(0, 0, name)
        book.worksheets()[1].activate()
        book.worksheets()[1].set_first_sheet()
        book.worksheets()[0].hide()
    assert read(tmp_path / "a.xlsx") == [(1, ["Shown"])]
    assert read(tmp_path / "a.xlsx", sheet="Hidden") == [(1, ["Hidden"])]
    with pytest.raises(UnreadableFileError, match="no sheet Other"):
        read(tmp_path / "a.xlsx", sheet="Other")


def test_an_empty_sheet_has_no_rows(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", [])
    assert read(path) == []
    with pytest.raises(UnreadableFileError, match="empty"):
        list(read_table(path))


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({"AE1": 1}, r"sheet1\.xml, cell AE1: more than 30 columns"),
        ({"XFD1048576": 1}, r"cell XFD1048576: more than 30 columns"),
        ({"A1": 1, "A2": 1, "A3": 1, "A4": 1, "A9": 1}, "sheet Codes, row 9: .* more than 3 rows"),
        ({"A1": 1, "AD1048576": 1}, "too many or lie too far apart"),
    ],
)
def test_sheets_beyond_the_limits_are_refused_by_name_and_place(
    tmp_path: Path, cells: dict[str, int], why: str
) -> None:
    with pytest.raises(UnreadableFileError, match=why):
        read(workbook(tmp_path / "a.xlsx", [], **cells))


def repacked(source: Path, target: Path, part: str, content: bytes) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name != part:
                new.writestr(name, old.read(name))
        new.writestr(part, content)
    return target


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    plain = workbook(tmp_path / "a.xlsx", [["code"]])
    many = repacked(plain, tmp_path / "b.xlsx", "xl/media/x.bin", bytes(300_000))
    with pytest.raises(UnreadableFileError, match="more than 200,000"):
        read(many)
    dense = repacked(plain, tmp_path / "c.xlsx", "xl/sharedStrings.xml", b" " * 3_000_000)
    with pytest.raises(UnreadableFileError, match="packed more than 20 times"):
        read(dense, Limits(ratio=20))


def test_a_workbook_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    plain = workbook(tmp_path / "a.xlsx", [["code"]])
    text = b"<sst><si><t>" + b"A" * 10 * 1024**2
    path = repacked(plain, tmp_path / "b.xlsx", "xl/sharedStrings.xml", text)
    data = path.read_bytes().replace(len(text).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    path.write_bytes(data)
    with pytest.raises(UnreadableFileError, match="declared uncompressed size"):
        read(path, Limits())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"PK\x03\x04" + bytes(60), "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old or password-protected"),
        (b"a\x00b", "not a CSV file"),
        (b"%PDF-1.7", "PDF"),
        (b"a;b\n" + b"1;" * 40, "line 2 has 41 columns"),
        (b"a\n1\n2\n3\n4\n", "line 5: .* more than 3 rows"),
        (b'a\n"' + b"x" * 200_000 + b'"\n', "line 2: field larger"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(UnreadableFileError, match=why):
        read(tmp_path / "a")


def test_an_archive_without_a_workbook_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr("codes.csv", "code\nA\n")
    with pytest.raises(UnreadableFileError, match="not an Excel workbook"):
        read(tmp_path / "a")
    with pytest.raises(UnreadableFileError, match="no longer there"):
        read(tmp_path / "gone")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Põhja Žalgiris ķīļi".encode("cp1257"), "Põhja Žalgiris ķīļi"),
        ("Šárka – Œuvre".encode("cp1252"), "Šárka – Œuvre"),
        ("Põhja €".encode("utf-8-sig"), "Põhja €"),
        ("Põhja €".encode("utf-16"), "Põhja €"),
    ],
)
def test_texts_are_read_in_the_encoding_they_were_saved_in(tmp_path: Path, data: bytes, text: str) -> None:
    (tmp_path / "a").write_bytes(data)
    assert read(tmp_path / "a") == [(1, [text])]


def test_quoted_separators_and_line_breaks_belong_to_their_cell(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b'"a,b,c,d";e\r\n"1\r\n2";3\r\n')
    assert read(tmp_path / "a") == [(1, ["a,b,c,d", "e"]), (3, ["1\r\n2", "3"])]


def test_closing_ends_a_reading_in_another_thread(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", [["code"]] * 20_000)
    table = WorkbookTable(path, None, Limits())
    began = threading.Event()

    def consume() -> int:
        began.set()
        try:
            return sum(1 for _ in table)
        except (UnreadableFileError, ValueError):
            return -1

    reading = threading.Thread(target=consume)
    reading.start()
    began.wait()
    table.close()
    reading.join()
    assert table._process.returncode is not None


def test_the_reader_program_starts_without_the_service(tmp_path: Path) -> None:
    """It would read each file later by as much as it imports."""
    probe = "import sys, code_service.exchange.xlsx_reader; print('pydantic' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
