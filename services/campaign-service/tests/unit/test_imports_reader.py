import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_service.contacts.csv_safety import csv_lines
from campaign_service.contacts.export import cells, header
from campaign_service.contacts.repository import FIELDS
from campaign_service.imports.reader import HEADER, main
from campaign_service.imports.rows import slug, uuid7_hex


class Read:
    """What the reader wrote about one file."""

    def __init__(self, path: Path, mapping: dict[str, Any] | None = None) -> None:
        out = io.BytesIO()
        self.status = main(str(path), json.dumps(mapping or {}), out)
        self.rows: list[list[str]] = []
        self.rejections: list[list[Any]] = []
        self.counts: dict[str, int] = {}
        self.head: dict[str, Any] = {}
        self.error: dict[str, str] = {}
        data = memoryview(out.getvalue())
        while data:
            kind, size = HEADER.unpack(data[: HEADER.size])
            self._take(kind, bytes(data[HEADER.size : HEADER.size + size]).decode())
            data = data[HEADER.size + size :]

    def _take(self, kind: bytes, text: str) -> None:
        if kind == b"R":
            self.rows += [line.split("\t") for line in text.split("\n")[:-1]]
        elif kind == b"J":
            self.rejections += json.loads(text)
        elif kind == b"H":
            self.head = json.loads(text)
        elif kind == b"D":
            self.counts = json.loads(text)
        elif kind == b"E":
            self.error = json.loads(text)

    @property
    def emails(self) -> list[str]:
        return [row[2] for row in self.rows]

    @property
    def faults(self) -> list[tuple[int, str]]:
        return [(r[0], r[1]) for r in self.rejections]


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def run(data: str | bytes, mapping: dict[str, Any] | None = None) -> Read:
        path = tmp_path / "f.csv"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return Read(path, mapping)

    return run


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found_out(read: Any, delimiter: str) -> None:
    rows = [
        ["Email", "Prénom", "Remarque"],
        ["anna@example.com", "Anna", '"a,b;c|d"'],
        ["bob@example.com", "Bob", ""],
    ]
    result = read("\n".join(delimiter.join(row) for row in rows))
    assert result.head["delimiter"] == delimiter
    assert result.emails == ["anna@example.com", "bob@example.com"]


def test_a_spreadsheets_separator_line_is_obeyed(read: Any) -> None:
    result = read("sep=;\r\nemail;name\r\nanna@example.com;Anna, Dr.\r\n")
    assert result.head["delimiter"] == ";"
    assert result.rows[0][0] == "3"


def test_a_row_becomes_copy_text(read: Any) -> None:
    result = read(
        "email;first name;language;country;Company;tags\n"
        'Anna@Example.com;"An\tna\\N";French;Deutschland;"A ""B""\\\nC";VIP, Real Estate;\n'
    )
    line, uuid, email, *values, custom, tags, number = result.rows[0]
    assert (line, email) == ("2", "Anna@Example.com")
    assert UUID(uuid).version == 7
    assert values == ["", "An na\\N", "", "fr", "DE", "", ""]
    assert json.loads(custom) == {"company": 'A "B"\\\nC'}
    assert (tags, number) == ("{real-estate,vip}", "")


def test_our_own_export_comes_back_as_it_was(read: Any) -> None:
    fixed: dict[str, Any] = dict.fromkeys(FIELDS) | {
        "email": "a@example.com",
        "phone": "+33612345678",
        "first_name": "-Bo",
    }
    contact = fixed | {
        "status": "valid",
        "validation_status": "unknown",
        "tags": ["b", "c"],
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "custom_fields": {"note": "=SUM(1)", "status_of_order": "open"},
    }
    keys = sorted(contact["custom_fields"])
    result = read("\ufeff" + csv_lines([header(keys), cells(contact, keys)]))
    _, _, email, *values, custom, tags, _ = result.rows[0]
    assert (email, values[:2], tags) == ("a@example.com", ["+33612345678", "-Bo"], "{b,c}")
    assert json.loads(custom) == contact["custom_fields"]


def test_line_numbers_are_physical(read: Any) -> None:
    result = read('email,note\n\n"a@example.com","one\ntwo"\r\n   \nbroken,x\n,,\nb@example.com\n')
    assert [row[0] for row in result.rows] == ["3", "8"]
    assert result.faults == [(6, "email_invalid")]


def test_each_rejected_row_has_code_reason_and_its_text(read: Any) -> None:
    result = read("email;name\nanna;Anna\n;Bob\nx@example.com;X;Y;Z\ny@example.com;" + "y" * 201 + "\n")
    assert result.faults == [
        (2, "email_invalid"),
        (3, "email_missing"),
        (4, "too_many_columns"),
        (5, "field_too_long"),
    ]
    assert result.rejections[2][2:] == ["4 columns where the header has 2", "x@example.com;X;Y;Z"]
    assert result.counts["rejected"] == 4


def test_short_rows_and_trailing_delimiters_are_rows(read: Any) -> None:
    result = read("email;name;town\na@example.com\nb@example.com;Bob;Ghent;;;\n")
    assert result.emails == ["a@example.com", "b@example.com"]
    assert result.rejections == []


def test_an_unclosed_quote_costs_one_line(read: Any) -> None:
    body = "".join(f"p{i}@example.com;P{i}\n" for i in range(5000))
    result = read(f'email;name\nx@example.com;"Xavier\n{body}y@example.com;"Yves"\n')
    assert result.faults == [(2, "unclosed_quote")]
    assert len(result.rows) == 5001


def test_an_unclosed_quote_on_the_last_lines_costs_one_line(read: Any) -> None:
    result = read('email;name\na@example.com;A\nb@example.com;"B\nc@example.com;C')
    assert result.faults == [(3, "unclosed_quote")]
    assert result.emails == ["a@example.com", "c@example.com"]


def test_latin_1_and_utf_8_rows_in_one_file_keep_their_names(read: Any) -> None:
    data = "email;name\na@example.com;Zoé\n".encode() + "b@example.com;Zoé\n".encode("cp1252")
    result = read(data)
    assert result.head["encoding"] == "mixed"
    assert [row[4] for row in result.rows] == ["Zoé", "Zoé"]


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("Anna Maria Berg", "Anna Maria", "Berg"), ("Berg, Anna", "Anna", "Berg"), ("Anna", "Anna", "")],
)
def test_full_names_are_split(read: Any, name: str, first: str, last: str) -> None:
    result = read(f'email;name\na@example.com;"{name}"\n')
    assert result.rows[0][4:6] == [first, last]


def test_one_column_of_addresses_needs_no_header(read: Any) -> None:
    assert read("a@example.com\nb@example.com\n").emails == ["a@example.com", "b@example.com"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"\r\n\r\n;;;\r\n", "empty_file"),
        (b"\xef\xbb\xbf", "empty_file"),
        (b"PK\x03\x04" + b"x" * 50, "not_csv"),
        (b"a@example.com,Anna\nb@example.com,Bob\n", "mapping"),
        (b"town,name\nGhent,Anna\n", "mapping"),
        (b"x" * (3 << 20), "not_csv"),
    ],
)
def test_unusable_files_are_refused_with_a_code(read: Any, data: bytes, code: str) -> None:
    result = read(data)
    assert (result.status, result.error["code"]) == (1, code)


@given(
    st.lists(
        st.lists(st.text(alphabet=st.sampled_from('ab@.;"\n\r\t\\ é\x01\x00\x85'), max_size=8), max_size=5),
        max_size=30,
    )
)
def test_no_input_breaks_the_shape_of_the_copy_text(
    tmp_path_factory: pytest.TempPathFactory, rows: Any
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "f.csv"
    path.write_text(
        "email;name;Note;tags\n" + "\n".join(";".join(row) for row in rows), encoding="utf-8", newline=""
    )
    result = Read(path)
    if b"\x00" not in path.read_bytes():
        assert result.status == 0
    assert all(len(row) == 12 for row in result.rows)
    assert all(len(row) == 4 for row in result.rejections)
    assert result.counts.get("rows", 0) == len(result.rows)


def test_generated_ids_are_ordered_version_7_uuids() -> None:
    ids = uuid7_hex()
    values = [next(ids) for _ in range(10_000)]
    assert values == sorted(set(values))
    assert {UUID(v).version for v in values} == {7}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Real Estate", "real-estate"),
        ("real_estate", "real_estate"),
        (" -VIP!- ", "vip"),
        ("Genève", "geneve"),
        ("Straße", "strasse"),
        ("東京", ""),
        ("a__b--c", "a-b-c"),
    ],
)
def test_tags_of_a_file_become_slugs(text: str, expected: str) -> None:
    assert slug(text) == expected


def test_a_number_stands_in_for_an_address(read: Any) -> None:
    result = read(
        "email;phone;country\n;+1 (202) 555-0143;\n;0612345678;France\n;0612345678;\n"
        "a@example.com;555;\n;;FR\n"
    )
    assert [(row[2], row[-1]) for row in result.rows] == [
        ("", "+12025550143"),
        ("", "+33612345678"),
        ("a@example.com", ""),
    ]
    assert result.faults == [(4, "phone_invalid"), (6, "email_missing")]
