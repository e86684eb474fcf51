import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_service.imports.service import inspect, read_form
from campaign_service.imports.upload import Upload
from shared.errors import AppError, PayloadTooLargeError, UnsupportedMediaTypeError, ValidationError

FORM = "multipart/form-data; boundary=x"


def part(name: str, data: bytes, filename: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    return f"--x\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + data + b"\r\n"


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def receive(tmp_path: Path, body: bytes, content_type: str = FORM, size: int = 1000) -> Upload:
    upload = Upload(tmp_path / "new" / "f.csv", max_bytes=5000)
    await upload.receive(content_type, pieces(body, size))
    return upload


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_a_form_is_understood_however_it_is_cut(tmp_path: Path, size: int) -> None:
    file = b"email\r\n\r\n-- x--- not the end\r\na@example.com\r\n"
    body = part("tags", b"a") + part("file", file, "C:\\lists\\Zoé.csv") + part("tags", b"b") + b"--x--\r\n"
    upload = await receive(tmp_path, body, size=size)
    assert upload.target.read_bytes() == file
    assert (upload.size, upload.fields) == (len(file), {"tags": "a,b"})
    assert upload.filename == "Zoé.csv"


@pytest.mark.parametrize(
    ("body", "content_type", "error", "field"),
    [
        (b"email\n", "text/csv", UnsupportedMediaTypeError, None),
        (b"", "multipart/form-data", UnsupportedMediaTypeError, None),
        (b"", "", UnsupportedMediaTypeError, None),
        (b"no boundary in here", FORM, ValidationError, None),
        (part("tags", b"a") + b"--x--\r\n", FORM, ValidationError, "file"),
        (part("file", b"", "f.csv") + b"--x--\r\n", FORM, ValidationError, "file"),
        (part("tags", b"\xff") + b"--x--\r\n", FORM, ValidationError, "tags"),
        (part("file", b"a", "f") + part("file", b"b", "g") + b"--x--\r\n", FORM, ValidationError, "file"),
        (part("a", b"1") * 101 + b"--x--\r\n", FORM, ValidationError, None),
        (part("file", b"a" * 5001, "f.csv") + b"--x--\r\n", FORM, PayloadTooLargeError, "file"),
        (part("mapping", b"a" * 65_537) + b"--x--\r\n", FORM, PayloadTooLargeError, "mapping"),
        (part("file", b"PK\x03\x04" + b"a" * 50, "f.xlsx"), FORM, UnsupportedMediaTypeError, "file"),
        (part("file", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "f.xls"), FORM, UnsupportedMediaTypeError, "file"),
    ],
)
async def test_other_bodies_are_refused(
    tmp_path: Path, body: bytes, content_type: str, error: type[AppError], field: str | None
) -> None:
    with pytest.raises(error) as raised:
        await receive(tmp_path, body, content_type)
    assert raised.value.field == field


@given(st.binary(max_size=200))
def test_no_body_breaks_the_parser(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    folder = tmp_path_factory.mktemp("noise")
    body = part("file", b"email\n", "f.csv")[: len(noise)] + noise
    with pytest.raises(AppError):
        asyncio.run(receive(folder, b"\r\n" + body))


def test_the_form_has_defaults() -> None:
    form = read_form({"mapping": "", "tags": ""})
    assert (form.mapping, form.tags, form.default_language, form.on_conflict) == ({}, [], "en", "update")


@pytest.mark.parametrize("tags", ["a, b_c ,a", '["a", "b_c"]'])
def test_tags_are_a_comma_list_or_a_json_list(tags: str) -> None:
    assert read_form({"tags": tags}).tags == ["a", "b_c"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"mapping": "{"}, "mapping"),
        ({"mapping": "[1]"}, "mapping"),
        ({"mapping": "[" * 20_000}, "mapping"),
        ({"tags": "Not A Slug"}, "tags"),
        ({"tags": "[1]"}, "tags"),
        ({"on_conflict": "explode"}, "on_conflict"),
        ({"default_language": "?"}, "default_language"),
        ({"surprise": "1"}, "surprise"),
    ],
)
def test_wrong_fields_are_named(fields: dict[str, str], field: str) -> None:
    with pytest.raises(ValidationError) as raised:
        read_form(fields)
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("data", "mapping", "error", "field"),
    [
        (b"\n\n", {}, ValidationError, "file"),
        (b"x" * (2 << 20), {}, UnsupportedMediaTypeError, "file"),
        (b"Anna,a@example.com\n", {}, ValidationError, "mapping"),
        (b"town\nGhent\n", {}, ValidationError, "mapping"),
        (b"email\na@example.com\n", {"email": "adress"}, ValidationError, "mapping"),
        (b"email\na@example.com\n", {"mail": "email"}, ValidationError, "mapping"),
    ],
)
async def test_unusable_tables_say_what_to_change(
    tmp_path: Path, data: bytes, mapping: dict[str, str], error: type[AppError], field: str
) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(data)
    with pytest.raises(error) as raised:
        await inspect(path, mapping)
    assert raised.value.field == field
