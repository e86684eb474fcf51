"""The program that reads files of sales: what it makes of a file as a whole."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from property_service.dvf import reader
from property_service.dvf.reader import HEADER, MAX_REJECTIONS, Emitter

from .sales_kit import DATA, GEO, RAW, geo_file


def frames(data: bytes | Path, tmp_path: Path) -> list[tuple[str, Any]]:
    """What the program writes for a file."""
    path = data if isinstance(data, Path) else tmp_path / "made.csv"
    if isinstance(data, bytes):
        path.write_bytes(data)
    out = io.BytesIO()
    reader.main(str(path), out)
    out.seek(0)
    found = []
    while head := out.read(HEADER.size):
        kind, size = HEADER.unpack(head)
        payload = out.read(size)
        found.append((kind.decode(), payload.decode() if kind == b"R" else json.loads(payload)))
    return found


def rows(found: list[tuple[str, Any]]) -> list[str]:
    return "".join(payload for kind, payload in found if kind == "R").splitlines()


@pytest.mark.parametrize(
    ("path", "layout", "count", "cents"),
    [
        (GEO, "geo", 36, 12_293_795_60),
        (RAW, "raw", 33, 3_237_353_00),
        (DATA / "dvf_raw_2014_authentic_lines.txt", "raw", 3, 600_500_00),
        (DATA / "dvf_ain_2018.txt.gz", "raw", 10_000, 1_753_958_686_06),
    ],
)
def test_every_row_of_the_real_files_is_taken(
    path: Path, layout: str, count: int, cents: int, tmp_path: Path
) -> None:
    found = frames(path, tmp_path)
    assert found[0] == ("H", {"name": path.name, "layout": layout})
    assert found[-1] == ("D", {"rows": count, "rejected": 0, "lines": count + 1, "naive_cents": cents})
    assert len(rows(found)) == count


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_line_ends_make_no_difference(encoding: str, end: str, tmp_path: Path) -> None:
    text = geo_file({"adresse_nom_voie": "ALLÉE DES CHÊNES", "type_local": "Dépendance"}).decode()
    (row,) = rows(frames(text.replace("\n", end).encode(encoding), tmp_path))
    assert ",ALLEE DES CHENES,ALL CHENES," in row


def test_quoted_cells_may_hold_commas_but_no_line_ends(tmp_path: Path) -> None:
    good = geo_file({"adresse_nom_voie": "RUE DE L'EGLISE, LE BAS"})
    assert b'"RUE' in good
    bad = geo_file({"adresse_nom_voie": "UNCLOSED"}).replace(b"UNCLOSED", b'"RUE SANS FIN')
    found = frames(good + bad.split(b"\n", 1)[1] + good.split(b"\n", 1)[1], tmp_path)
    assert [len(rows(found)), found[-1][1]["rejected"]] == [2, 1]
    torn = good.replace(b"EGLISE,", b'EGLISE"\r')
    assert [len(rows(frames(torn, tmp_path))), frames(torn, tmp_path)[-1][1]["rejected"]] == [0, 1]


def test_a_file_that_is_packed_too_tightly_is_no_file_of_sales(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_SMALL", 10_000)
    real = geo_file(*({"adresse_numero": str(number)} for number in range(1, 200)))
    assert frames(gzip.compress(real), tmp_path)[-1][0] == "D"
    kind, payload = frames(gzip.compress(real + b"\n" * 3_000_000), tmp_path)[-1]
    assert (kind, payload["code"]) == ("E", "too_packed")


def test_communes_of_the_file_are_told_with_what_became_of_former_ones(tmp_path: Path) -> None:
    found = dict(
        frames(
            geo_file(
                {"code_commune": "01033", "nom_commune": "Valserhône", "ancien_code_commune": "01091"}
                | {"ancien_nom_commune": "Châtillon-en-Michaille", "code_postal": "1200"}
            ),
            tmp_path,
        )
    )
    assert found["M"] == {
        "communes": [["01033", "VALSERHONE", ["01200"]]],
        "merged": {"01091": ["01033", "CHATILLON EN MICHAILLE"]},
    }


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_dvf"),
        (b"a,b\n1,2\n", "not_dvf"),
        (b"x" * 100_000, "not_dvf"),
        (b"\x00\x01\x02" * 30_000, "not_dvf"),
        (b'"\r\x8f,\x00;\n' * 3, "not_dvf"),
        (geo_file({}).replace(b"latitude", b"lat"), "columns"),
        (gzip.compress(geo_file({}))[:-4], "damaged_archive"),
        (b"PK\x03\x04", "damaged_archive"),
    ],
)
def test_files_of_another_kind_are_refused_as_a_whole(data: bytes, code: str, tmp_path: Path) -> None:
    kind, payload = frames(data, tmp_path)[-1]
    assert (kind, payload["code"]) == ("E", code)


def test_an_archive_without_files_is_refused(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("folder/", "")
        target.writestr("folder/b.csv", geo_file({}))
        target.writestr("__MACOSX/b.csv", b"\x00")
    kind, counts = frames(archive.getvalue(), tmp_path)[-1]
    assert (kind, counts["rows"], counts["rejected"], counts["lines"]) == ("D", 1, 0, 2)
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as target:
        target.writestr("folder/", "")
    assert frames(empty.getvalue(), tmp_path)[-1][1]["code"] == "empty_file"


def test_rejections_are_counted_to_the_end_but_told_only_up_to_a_limit(tmp_path: Path) -> None:
    header = geo_file().decode()
    found = frames((header + "broken\n" * (MAX_REJECTIONS + 500)).encode(), tmp_path)
    assert found[-1][1]["rejected"] == MAX_REJECTIONS + 500
    assert sum(len(payload) for kind, payload in found if kind == "J") == MAX_REJECTIONS


def in_departments(*departments: str) -> bytes:
    """A file with a sale in each of the departments, in this order."""
    return geo_file(
        *(
            {"code_commune": f"{department}053", "id_parcelle": f"{department}053000AB{number:04}"}
            for number, department in enumerate(departments)
        )
    )


def kinds(data: bytes, tmp_path: Path, stretch: int) -> str:
    (tmp_path / "made.csv").write_bytes(data)
    out = io.BytesIO()
    reader.main(str(tmp_path / "made.csv"), out, stretch)
    out.seek(0)
    found = ""
    while head := out.read(HEADER.size):
        kind, size = HEADER.unpack(head)
        found += kind.decode()
        out.seek(size, io.SEEK_CUR)
    return found


@pytest.mark.parametrize(
    ("departments", "stretch", "expected"),
    [
        (("01", "01", "02", "03"), 2, "HRCBRCMD"),
        (("01", "02", "01", "02", "03"), 4, "HRCBRCMD"),
        (("01", "01", "01"), 2, "HRCMD"),
        (("01", "01", "02", "01"), 2, "HRCBU"),
        (("01", "02", "03", "02"), 2, "HRCBU"),
        (("01", "01", "02", "01"), 0, "HRCMD"),
    ],
)
def test_ends_of_departments_are_told_unless_they_come_again(
    departments: tuple[str, ...], stretch: int, expected: str, tmp_path: Path
) -> None:
    assert kinds(in_departments(*departments), tmp_path, stretch) == expected


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    line = geo_file({}).split(b"\n")[1] + b"\n"

    def peak(count: int) -> int:
        path = tmp_path / f"{count}.csv.gz"
        path.write_bytes(gzip.compress(geo_file() + line * count, 1))
        with (tmp_path / "out").open("wb") as out:
            tracemalloc.start()
            reader.read(path, Emitter(out))
            _, highest = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return highest

    peak(100)
    assert peak(30_000) < 1.5 * peak(9000)
