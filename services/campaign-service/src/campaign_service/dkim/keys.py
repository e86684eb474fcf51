"""Keys of sending domains, and the records that publish them."""

from __future__ import annotations

import base64
import re
from typing import cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from .signing import Algorithm, PrivateKey

ALGORITHMS: tuple[Algorithm, ...] = ("rsa", "ed25519")
_TAG = re.compile(r"\s*([a-z][a-z0-9_]*)\s*=\s*(.*?)\s*", re.IGNORECASE | re.DOTALL)


def new_key(algorithm: Algorithm) -> PrivateKey:
    """RSA of 2048 bits takes some tenths of a second: call it in a thread."""
    return Ed25519PrivateKey.generate() if algorithm == "ed25519" else generate_private_key(65537, 2048)


def to_bytes(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def from_bytes(raw: bytes) -> PrivateKey:
    """Reads what `to_bytes` wrote. Unchecked, because we made it and checking RSA takes 40 ms."""
    return cast(PrivateKey, load_der_private_key(raw, None, unsafe_skip_rsa_key_validation=True))


def public_part(key: PrivateKey) -> str:
    """The record's `p=`: the raw key for Ed25519, SubjectPublicKeyInfo for RSA, in base64."""
    if isinstance(key, RSAPrivateKey):
        raw = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        raw = key.public_key().public_bytes_raw()
    return base64.b64encode(raw).decode("ascii")


def record_name(selector: str, domain: str) -> str:
    return f"{selector}._domainkey.{domain}"


def record_value(algorithm: Algorithm, public: str) -> str:
    return f"v=DKIM1; k={algorithm}; p={public}"


def tags(record: str) -> dict[str, str]:
    """`name=value` pairs between semicolons, names in lower case."""
    found = (_TAG.fullmatch(part) for part in record.split(";"))
    return {match.group(1).lower(): match.group(2) for match in found if match}


def fault_of(records: list[str], algorithm: Algorithm, public: str) -> str | None:
    """Why what the DNS has does not publish this key; None when it does."""
    if not records:
        return "There is no such TXT record yet"
    if len(records) > 1:
        return "There is more than one TXT record of this name"
    found = tags(records[0])
    if found.get("v", "DKIM1") != "DKIM1" or found.get("k", "rsa") != algorithm:
        return f"The record is not of a DKIM key of kind {algorithm}"
    if "".join(found.get("p", "").split()) != public:
        return "The record holds another key"
    return None
