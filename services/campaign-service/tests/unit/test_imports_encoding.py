from pathlib import Path

import pytest

from campaign_service.imports.encoding import NotTextError, binary_kind, detect, line_blocks

TEXT = "email;prénom\r\nanna@example.com;Zoé\r\n"


def lines(path: Path) -> list[str]:
    return [line for block in line_blocks(detect(path)) for line in block]


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (b"\xef\xbb\xbf" + TEXT.encode(), "utf-8"),
        (b"\xff\xfe" + TEXT.encode("utf-16-le"), "utf-16-le"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("cp1252"), "windows-1252"),
    ],
)
def test_text_survives_every_encoding(tmp_path: Path, data: bytes, encoding: str) -> None:
    file = tmp_path / "f.csv"
    file.write_bytes(data)
    assert detect(file).encoding == encoding
    assert "".join(lines(file)) == TEXT


def test_lines_of_two_encodings_are_read_each_in_its_own(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_bytes("a;Zoé\n".encode() + "b;Zoé\n".encode("cp1252") + b"c;x\x81\n")
    assert detect(file).encoding == "mixed"
    assert lines(file) == ["a;Zoé\n", "b;Zoé\n", "c;x\x81\n"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_counts_as_one_line(tmp_path: Path, end: str) -> None:
    file = tmp_path / "f.csv"
    file.write_bytes(end.join(["é" * 70_000, "b\u2028\x85b", "c"]).encode("cp1252", "replace") + end.encode())
    assert len(lines(file)) == 3


def test_line_ends_split_over_two_blocks_stay_one(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_bytes(b"\xe9" * ((1 << 18) - 1) + b"\r\n" + b"b\r\n")
    assert [len(line) for line in lines(file)] == [(1 << 18) + 1, 3]


def test_a_file_without_line_ends_is_refused_before_it_fills_memory(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_bytes(b"a" * (2 << 20))
    with pytest.raises(NotTextError):
        detect(file)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"PK\x03\x04rest", "xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".xls"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x7fELF" + bytes(64), "binary"),
    ],
)
def test_files_that_are_not_text_are_named(head: bytes, words: str) -> None:
    assert words in (binary_kind(head) or "")


@pytest.mark.parametrize(
    "head", [TEXT.encode(), b"\xff\xfe" + TEXT.encode("utf-16-le"), TEXT.encode("utf-16-be")]
)
def test_text_is_not_taken_for_binary(head: bytes) -> None:
    assert binary_kind(head) is None
