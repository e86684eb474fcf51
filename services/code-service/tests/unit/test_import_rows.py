from datetime import UTC, datetime
from pathlib import Path

import pytest

from code_service.exchange.csv_safety import csv_lines
from code_service.exchange.files import open_table
from code_service.exchange.rows import Defaults, Row, RowError, parse, rows_of
from code_service.exchange.table import UnreadableFileError


def write(folder: Path, data: bytes) -> Path:
    path = folder / "codes.csv"
    path.write_bytes(data)
    return path


def rows_in(path: Path) -> list[Row]:
    with open_table(path) as table:
        return list(rows_of(table))


@pytest.mark.parametrize(
    "data",
    [
        "Code,Stuudio\r\nA-1,Põhja\r\n".encode(),
        "Code;Stuudio\nA-1;Põhja\n".encode("utf-8-sig"),
        "Code\tStuudio\nA-1\tPõhja".encode("cp1257"),
        '"Code";"Stuudio"\n\n"A-1";"Põhja"\n;\n'.encode(),
        b"\r\n \nCode,Stuudio\nA-1,P\xc3\xb5hja\n",
        "sep=|\r\nCode|Stuudio\r\nA-1|Põhja\r\n".encode("utf-16"),
    ],
)
def test_files_are_read_whatever_they_were_saved_as(tmp_path: Path, data: bytes) -> None:
    rows = rows_in(write(tmp_path, data))
    assert [row.cells for row in rows] == [{"Code": "A-1", "Stuudio": "Põhja"}]
    assert parse(rows[0], Defaults()).metadata == {"Stuudio": "Põhja"}


@pytest.mark.parametrize(
    "data", [b"", b"name\nx\n", b"PK\x03\x04\x00\x00\x00", b'code\n"' + b"x" * 200_000 + b'"\n']
)
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnreadableFileError):
        rows_in(write(tmp_path, data))


def row(**cells: str) -> Row:
    return Row(2, cells, "")


def test_a_row_has_what_its_columns_say_else_the_defaults() -> None:
    late = datetime(2026, 12, 31, 18, tzinfo=UTC)
    made = parse(row(code="A", order_limit="2.0", expires_at="31.12.2026 18:00", pool="VIP"), Defaults())
    assert (made.limit_per_order, made.expires_at, made.pool, made.type) == (2, late, "vip", "discount")
    other = parse(row(code="A", type="Upgrade"), Defaults(type="free_ticket", pool="p", expires_at=late))
    assert (other.type, other.pool, other.expires_at) == ("upgrade", "p", late)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"code": ""}, "invalid_code"),
        ({"code": "=1+1"}, "invalid_code"),
        ({"code": "a b"}, "invalid_code"),
        ({"code": "batches"}, "invalid_code"),
        ({"code": "A", "type": "gift"}, "invalid_type"),
        ({"code": "A", "pool": "a b"}, "invalid_pool"),
        ({"code": "A", "limit_per_order": "0"}, "invalid_limit"),
        ({"code": "A", "limit_per_ticket": "1.5"}, "invalid_limit"),
        ({"code": "A", "expires_at": "soon"}, "invalid_date"),
        ({"code": "A", "expires_at": "31.02.2026"}, "invalid_date"),
        ({"code": "A", "expires_at": "9999-12-31T23:59:59-14:00"}, "invalid_date"),
        ({"code": "A", **{f"note {number}": "x" * 1000 for number in range(9)}}, "too_long"),
    ],
)
def test_rows_that_are_no_codes_say_why(cells: dict[str, str], reason: str) -> None:
    with pytest.raises(RowError) as caught:
        parse(row(**cells), Defaults())
    assert caught.value.reason_code == reason


def test_a_quotation_mark_that_is_not_closed_is_told(tmp_path: Path) -> None:
    (found,) = rows_in(write(tmp_path, b'code;type\n"A;discount\nB;discount\n'))
    with pytest.raises(RowError, match="quotation mark is not closed"):
        parse(found, Defaults())


def test_cells_that_a_spreadsheet_would_run_are_made_harmless() -> None:
    assert csv_lines([["=1", "+1", "-1", "@a", "\tx", "a=1", None]]) == "'=1,'+1,'-1,'@a,'\tx,a=1,\r\n"
