"""DKIM signatures, relaxed/relaxed, of mails with CRLF line ends (RFC 6376; Ed25519: RFC 8463)."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

Algorithm = Literal["rsa", "ed25519"]
PrivateKey = RSAPrivateKey | Ed25519PrivateKey
#: What is signed where it is there. `from` once more than it occurs, so that nobody can put another in front.
SIGNED = (
    b"from",
    b"reply-to",
    b"to",
    b"subject",
    b"date",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"feedback-id",
)
# a single blank stays as it is: most are, and a match costs more than a look
_BLANKS = re.compile(rb"[ \t]{2,}|\t")
_BLANKS_AT_END = re.compile(rb"[ \t]+\r\n")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_ROW = 72
_PIECE = 32 * 1024


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One published key; `algorithm` as in the record's `k=`."""

    algorithm: Algorithm
    selector: str
    private: PrivateKey

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.private, Ed25519PrivateKey):
            # RFC 8463 signs the hash, not the text
            return self.private.sign(hashlib.sha256(data).digest())
        return self.private.sign(data, PKCS1v15(), SHA256())


class Signer:
    """Signs with every key of a domain: called with a mail, answers it with a signature in front for each."""

    def __init__(self, domain: str, keys: Sequence[SigningKey]) -> None:
        self.domain = domain
        self.keys = tuple(keys)

    def __call__(self, mail: bytes) -> bytes:
        head, _, body = mail.partition(b"\r\n\r\n")
        headers = _headers(head)
        signed = [name for name in SIGNED if name in headers]
        names = b":".join([b"from", *signed])
        canonical = b"".join(headers[name] for name in signed)
        body_hash = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest())
        return b"".join([*(self._header(key, names, canonical, body_hash) for key in self.keys), mail])

    def _header(self, key: SigningKey, names: bytes, canonical: bytes, body_hash: bytes) -> bytes:
        value = (
            f"v=1; a={key.algorithm}-sha256; c=relaxed/relaxed; d={self.domain};\r\n"
            f"\ts={key.selector}; t={int(time.time())};\r\n\th="
        ).encode("ascii")
        value += names.replace(b":list-unsubscribe:", b":\r\n\t list-unsubscribe:")
        value += b";\r\n\tbh=" + body_hash + b";\r\n\tb="
        # the signature's own header closes what is signed, without b's value and without a line end
        own = b"dkim-signature:" + _relaxed_value(value)
        signature = base64.b64encode(key.sign(canonical + own))
        rows = [signature[at : at + _ROW] for at in range(0, len(signature), _ROW)]
        return b"DKIM-Signature: " + value + b"\r\n\t ".join(rows) + b"\r\n"


def _headers(head: bytes) -> dict[bytes, bytes]:
    """Name to canonical line; of a header that occurs twice the last one, which is signed first."""
    found = {}
    for line in _FOLD.sub(b"", head).split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        found[name] = name + b":" + _relaxed_value(value) + b"\r\n"
    return found


def _relaxed_value(value: bytes) -> bytes:
    return _BLANKS.sub(b" ", _FOLD.sub(b"", value)).strip(b" ")


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 3.4.4: blanks become one, none before a line end, no empty lines at the end."""
    stripped = b"".join(map(_relaxed_lines, _pieces(body + b"\r\n"))).rstrip(b"\r\n")
    return stripped + b"\r\n" if stripped else b""


def _pieces(body: bytes) -> Iterator[bytes]:
    """Whole lines, some hundreds at a time."""
    at = 0
    while at < len(body):
        end = body.find(b"\r\n", at + _PIECE)
        yield body[at : end + 2] if end >= 0 else body[at:]
        at = end + 2 if end >= 0 else len(body)


def _relaxed_lines(lines: bytes) -> bytes:
    # files in base64 have no blanks, and are most of what is large
    if b" " not in lines and b"\t" not in lines:
        return lines
    return _BLANKS.sub(b" ", _BLANKS_AT_END.sub(b"\r\n", lines))
