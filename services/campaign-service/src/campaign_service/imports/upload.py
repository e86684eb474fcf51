"""A multipart form whose file goes straight to disk, never into memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from campaign_service.imports.encoding import binary_kind
from shared.errors import PayloadTooLargeError, UnsupportedMediaTypeError, ValidationError

_FIELD_LIMIT = 64 * 1024
_PARTS_LIMIT = 100
_SNIFFED = 4096


class Upload:
    """What a form brought: text fields by name (repeated ones joined by commas) and one stored file."""

    def __init__(self, target: Path, max_bytes: int) -> None:
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.size = 0
        self.target = target
        self.max_bytes = max_bytes

    async def receive(self, content_type: str, stream: AsyncIterator[bytes]) -> None:
        """Read the body. Raises an error for what is not a form, too large, broken or plainly not CSV."""
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise UnsupportedMediaTypeError("Send the file as multipart/form-data, in a part named file")
        self.target.parent.mkdir(parents=True, exist_ok=True)
        with self.target.open("wb") as file:
            parser = _Parts(self, file).parser(boundary)
            try:
                async for chunk in stream:
                    parser.write(chunk)
                parser.finalize()
            except FormParserError as error:
                raise ValidationError(f"The form is broken: {error}") from error
        if self.filename is None:
            raise ValidationError("The form has no part named file", field="file")
        if self.size == 0:
            raise ValidationError("The file is empty", field="file")

    def add_field(self, name: str, value: bytes) -> None:
        try:
            text = value.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise ValidationError(f"{name} is not UTF-8 text", field=name) from error
        self.fields[name] = f"{self.fields[name]},{text}" if name in self.fields else text

    def add_file_data(self, file: BinaryIO, data: bytes) -> None:
        if self.size < _SNIFFED and (kind := binary_kind(data[:_SNIFFED]) if self.size == 0 else None):
            raise UnsupportedMediaTypeError(f"This is {kind}, not a CSV file", field="file")
        self.size += len(data)
        if self.size > self.max_bytes:
            raise PayloadTooLargeError(f"The file may have at most {self.max_bytes} bytes", field="file")
        file.write(data)


class _Parts:
    """Callbacks of the multipart parser."""

    def __init__(self, upload: Upload, file: BinaryIO) -> None:
        self._upload = upload
        self._file = file
        self._headers: dict[bytes, bytes] = {}
        self._header_name = b""
        self._header_value = b""
        self._name = ""
        self._is_file = False
        self._value = bytearray()
        self._parts = 0

    def parser(self, boundary: bytes) -> MultipartParser:
        on: dict[str, Callable[..., None]] = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_text,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
        }
        return MultipartParser(boundary, on)  # type: ignore[arg-type]  # its callbacks are a TypedDict

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _PARTS_LIMIT:
            raise ValidationError("The form has too many parts")
        self._headers.clear()
        self._value.clear()
        self._header_name = self._header_value = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_text(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._is_file = self._name == "file"
        if not self._is_file:
            return
        if self._upload.filename is not None:
            raise ValidationError("Send one file at a time", field="file")
        name = options.get(b"filename", b"").decode("utf-8", "replace").replace("\\", "/")
        self._upload.filename = _plain_name(name.rsplit("/", 1)[-1])

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._upload.add_file_data(self._file, data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > _FIELD_LIMIT:
            raise PayloadTooLargeError(f"{self._name} is too long", field=self._name)

    def _end(self) -> None:
        if not self._is_file:
            self._upload.add_field(self._name, bytes(self._value))


def _plain_name(name: str) -> str:
    """A file name to show: printable, without a path, at most 200 characters."""
    return "".join(c for c in name if c.isprintable())[:200] or "contacts.csv"
