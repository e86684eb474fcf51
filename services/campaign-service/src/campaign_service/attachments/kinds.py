"""What a file is, by its content first and its name second; programs are refused, also inside archives."""

from __future__ import annotations

import io
import re
import zipfile

from shared.errors import UnprocessableError

# What mail programs run or open with rights that a document has not; large mailbox providers refuse these.
_PROGRAM_NAMES = frozenset(
    re.findall(
        r"\w+",
        """
        ade adp apk appx appxbundle bat cab chm cmd com cpl diagcab dll dmg exe hta img ins iso isp jar
        jnlp js jse lib lnk mde mjs msc msi msix msixbundle msp mst nsh pif ps1 reg scf scr sct sh shb sys
        url vb vbe vbs vhd vhdx vxd wsc wsf wsh xll
        """,
    )
)
_PROGRAMS = (
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"\xfe\xed\xfa\xce", "a macOS program"),
    (b"\xfe\xed\xfa\xcf", "a macOS program"),
    (b"\xce\xfa\xed\xfe", "a macOS program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a Java or macOS program"),
    (b"L\x00\x00\x00\x01\x14\x02\x00", "a Windows shortcut"),
    (b"#!", "a script"),
)
_STARTS = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"\x1f\x8b", "application/gzip"),
)
_OFFICE = "application/vnd.openxmlformats-officedocument."
_ZIPPED = {
    "docx": _OFFICE + "wordprocessingml.document",
    "xlsx": _OFFICE + "spreadsheetml.sheet",
    "pptx": _OFFICE + "presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "epub": "application/epub+zip",
}
_OLE = {
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
}
_TEXTS = {
    "csv": "text/csv",
    "htm": "text/html",
    "html": "text/html",
    "ics": "text/calendar",
    "md": "text/markdown",
    "vcf": "text/vcard",
    "xml": "application/xml",
    "json": "application/json",
}
# What a name promises and the content has to keep.
_PROMISES = {
    "pdf": "application/pdf",
    "zip": "application/zip",
    "gz": "application/gzip",
    **dict.fromkeys(("png", "jpg", "jpeg", "gif", "webp"), "image/"),
    **dict.fromkeys(_ZIPPED, "application/zip"),
    **dict.fromkeys(_OLE, "application/x-ole-storage"),
}


class AttachmentRefusedError(UnprocessableError):
    """The file is one that no mail may carry, or not what its name says."""

    code = "ATTACHMENT_REFUSED"


def plain_name(name: str) -> str:
    """A file's name without folders and without characters that cannot be seen; at most 200 characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in last if c.isprintable()).strip(" .")[-200:] or "attachment"


def content_type_of(name: str, content: bytes) -> str:
    """The type of a file. Raises AttachmentRefusedError."""
    suffix = _suffix(name)
    if suffix in _PROGRAM_NAMES:
        raise _refused(name, f"files of the kind .{suffix} are refused by mailbox providers")
    for start, what in _PROGRAMS:
        if content.startswith(start):
            raise _refused(name, f"it is {what}")
    found = _sniffed(content)
    if not found.startswith(_PROMISES.get(suffix, "")):
        raise _refused(name, f"its content is no .{suffix}")
    if found == "application/zip":
        _look_inside(name, content)
    return _named(suffix, found)


def _refused(name: str, why: str) -> AttachmentRefusedError:
    return AttachmentRefusedError(f"{name} cannot be attached: {why}", field="file")


def _suffix(name: str) -> str:
    _, dot, suffix = name.rpartition(".")
    return suffix.strip().lower() if dot else ""


def _sniffed(content: bytes) -> str:
    for start, found in _STARTS:
        if content.startswith(start):
            return found
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "application/octet-stream" if "\x00" in text else "text/plain"


def _named(suffix: str, found: str) -> str:
    if found == "application/zip":
        return _ZIPPED.get(suffix, found)
    if found == "application/x-ole-storage":
        return _OLE.get(suffix, "application/octet-stream")
    if found == "text/plain":
        kind = _TEXTS.get(suffix, found)
        return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
    return found


def _look_inside(name: str, content: bytes) -> None:
    try:
        inner = zipfile.ZipFile(io.BytesIO(content)).namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _refused(name, "the archive is broken") from error
    for member in inner:
        if _suffix(member) in _PROGRAM_NAMES:
            raise _refused(name, f"it holds the program {plain_name(member)}")
