"""Quoted-printable and header encoding, laid out so that values can be dropped between prepared pieces.

A value stands on encoded lines of its own, with a soft line break before and after it. So every piece can be
encoded without knowing its neighbours, and no line grows longer than the 76 characters RFC 2045 allows.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache

SOFT_BREAK = b"=\r\n"
_LINE = 75
_LINE_END = re.compile(r"\r\n|\r|\n")
_PLAIN_VALUE = re.compile(r"[ !-<>-~]{0,75}")
_PLAIN_LONG = re.compile(r"[ !-<>-~]*")
_PLAIN_HEADER = re.compile(r"[ -~]*")
_HEADER_BREAKERS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_QP = [
    bytes([code]) if 32 <= code <= 126 and code != 61 else f"={code:02X}".encode("ascii")
    for code in range(256)
]


def encode_value(value: str) -> bytes:
    """Quoted-printable of one merged value; it must be set between two `SOFT_BREAK`."""
    # most values are a name or a number: two looks in C instead of a pattern
    if (len(value) <= _LINE and value.isalnum() and value.isascii()) or _PLAIN_VALUE.fullmatch(value):
        return value.encode("ascii")
    if _PLAIN_LONG.fullmatch(value):
        raw = value.encode("ascii")
        return SOFT_BREAK.join([raw[at : at + _LINE] for at in range(0, len(raw), _LINE)])
    return _encode_cached(value) if len(value) <= 64 else encode_block(value)


def encode_block(text: str) -> bytes:
    """Quoted-printable of any text; lines of at most 75 characters plus the soft break."""
    return b"\r\n".join(_encode_line(line) for line in _LINE_END.split(text))


_encode_cached = lru_cache(maxsize=20_000)(encode_block)


def _encode_line(line: str) -> bytes:
    if len(line) <= _LINE and _PLAIN_VALUE.fullmatch(line) and line[:1] != "." and line[-1:] != " ":
        return line.encode("ascii")
    rows: list[bytes] = []
    row = bytearray()
    raw = line.encode("utf-8", "replace")
    for position, code in enumerate(raw):
        unit = _QP[code]
        at_end = position == len(raw) - 1
        if (code == 32 and at_end) or (code == 46 and not row):
            unit = f"={code:02X}".encode("ascii")
        if len(row) + len(unit) > _LINE:
            rows.append(bytes(row))
            row.clear()
            if code == 46:
                unit = b"=2E"
        row += unit
    rows.append(bytes(row))
    return SOFT_BREAK.join(rows)


def clean_header(value: str) -> str:
    """One line: what could start another header is replaced by a space."""
    return _HEADER_BREAKERS.sub(" ", value).strip()


def encode_header(value: str, *, used: int) -> bytes:
    """An unstructured header value, RFC 2047 where needed; `used`: characters before it on its line."""
    value = clean_header(value)
    if _PLAIN_HEADER.fullmatch(value) and "=?" not in value:
        if used + len(value) <= 78:
            return value.encode("ascii")
        return _fold(value, used)
    return b"\r\n ".join(_encoded_words(value, used))


def _fold(value: str, used: int) -> bytes:
    lines: list[str] = [""]
    room = 78 - used
    for word in value.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
            room = 77
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    if any(len(line) > 900 for line in lines):
        return b"\r\n ".join(_encoded_words(value, used))
    return "\r\n ".join(line for line in lines if line).encode("ascii")


def _encoded_words(value: str, used: int) -> list[bytes]:
    words: list[bytes] = []
    chunk = b""
    room = _word_room(used)
    whole = value.encode("utf-8", "replace")
    if len(whole) <= room:
        return [_encoded_word(whole)]
    for character in value:
        raw = character.encode("utf-8", "replace")
        if len(chunk) + len(raw) > room:
            words.append(chunk)
            chunk, room = b"", _word_room(1)
        chunk += raw
    words.append(chunk)
    return [_encoded_word(word) for word in words]


def _encoded_word(raw: bytes) -> bytes:
    return b"=?utf-8?B?" + base64.b64encode(raw) + b"?="


def _word_room(used: int) -> int:
    """Octets of text that fit into one encoded word (75 characters at most, RFC 2047) on a line of 76."""
    return max(3, (min(75, 76 - used) - 12) // 4 * 3)


def encode_address(name: str | None, address: str, *, used: int) -> bytes:
    """`name <address>`; the address must already be safe (see `safe_address`)."""
    name = clean_header(name or "")
    if not name:
        return address.encode()
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    if _PLAIN_HEADER.fullmatch(name) and "=?" not in name and used + len(quoted) <= 74:
        shown = f'"{quoted}"'.encode("ascii")
    else:
        shown = b"\r\n ".join(_encoded_words(name, used))
    separator = b" " if used + len(shown) + len(address) <= 75 else b"\r\n "
    return shown + separator + b"<" + address.encode() + b">"


_ATOM = "A-Za-z0-9.!#$%&'*+/=?^_`{|}~-"
_ADDRESS = re.compile(rf"[{_ATOM}]{{1,64}}@[A-Za-z0-9.-]{{1,255}}")
_LOCAL = re.compile(rf"[\u00a1-\U0010ffff{_ATOM}]{{1,64}}")


def safe_address(address: str) -> str | None:
    """The address as it may stand in an envelope and a header (domain in A-label form), or None.

    One with letters beyond ASCII before the @ needs a server with SMTPUTF8 (RFC 6531).
    """
    if address.isascii():
        return address if _ADDRESS.fullmatch(address) else None
    local, _, domain = address.rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    if not _ADDRESS.fullmatch(f"x@{domain}") or not _LOCAL.fullmatch(local) or not local.isprintable():
        return None
    return f"{local}@{domain}" if len(local.encode()) <= 64 else None
