"""What a file is said to be, and which files no mail may carry."""

from __future__ import annotations

import io
import zipfile

import pytest

from campaign_service.attachments.kinds import AttachmentRefusedError, content_type_of, plain_name

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 20


def archive(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name in names:
            target.writestr(zipfile.ZipInfo(name), "x")  # of a fixed time: the bytes name the tests
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("terms.pdf", b"%PDF-1.7\n...", "application/pdf"),
        ("photo.jpg", PNG, "image/png"),
        ("photo.webp", b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        ("prices.CSV", b"a,b\n1,2\n", "text/csv; charset=utf-8"),
        ("date.ics", "BEGIN:VCALENDAR\r\nX:é".encode(), "text/calendar; charset=utf-8"),
        ("notes", b"hello", "text/plain; charset=utf-8"),
        ("data.json", b"{}", "application/json"),
        ("letter.docx", archive("word/document.xml"), None),
        ("files.zip", archive("a.txt"), "application/zip"),
        ("old.doc", OLE, "application/msword"),
        ("unknown.bin", b"\x00\xff\xfe", "application/octet-stream"),
    ],
)
def test_the_type_is_found_in_the_content(name: str, content: bytes, kind: str | None) -> None:
    found = content_type_of(name, content)
    assert found == kind or (kind is None and found.endswith("wordprocessingml.document"))


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("setup.exe", b"x", r"\.exe"),
        ("invoice.pdf.JS", b"x", r"\.js"),
        ("invoice.pdf", b"MZ\x90\x00", "a Windows program"),
        ("readme", b"\x7fELF\x02", "a Linux program"),
        ("notes.txt", b"#!/bin/sh\n", "a script"),
        ("invoice.pdf", b"<html>", r"no \.pdf"),
        ("photo.png", b"%PDF-1.7", r"no \.png"),
        ("letter.docx", b"hello", r"no \.docx"),
        ("files.zip", archive("a.txt", "deep/er/Run.Exe"), "the program Run.Exe"),
        ("files.zip", archive("a.txt")[:30], "broken"),
    ],
)
def test_programs_and_pretenders_are_refused(name: str, content: bytes, why: str) -> None:
    with pytest.raises(AttachmentRefusedError, match=why):
        content_type_of(name, content)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("C:\\fakepath\\terms.pdf", "terms.pdf"),
        ("../../etc/passwd", "passwd"),
        ("terms\u202efdp.exe", "termsfdp.exe"),
        ("a\r\nb.txt", "ab.txt"),
        ("...", "attachment"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
    ],
)
def test_names_have_no_folders_and_nothing_invisible(given: str, name: str) -> None:
    assert plain_name(given) == name
