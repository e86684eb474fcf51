"""Signature schemes of webhook senders. Every malformed input is one `SignatureError`, never anything else.

Sources: Standard Webhooks 1.0.0, and the public documentation of Stripe, GitHub and Twilio.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, parse_qsl, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE_SECONDS = 300
_MAX_CANDIDATES = 20
_MAX_FORM_FIELDS = 500
_TIMESTAMP = re.compile(r"\d{1,12}")


class SignatureError(Exception):
    """The sender could not prove itself; the text says why, for the history, never for the sender."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature may cover. `headers` by lower-case name; `url` is the public address called."""

    headers: Mapping[str, str]
    body: bytes
    url: str
    now: float


@dataclass(frozen=True, slots=True)
class HmacScheme:
    """How a custom sender signs: `template` joins `{body}` and, when a timestamp is sent, `{timestamp}`."""

    header: str = "x-signature"
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    template: str = "{body}"
    timestamp_header: str | None = None


def verify_standard(request: SignedRequest, secret: str) -> None:
    """Standard Webhooks: `v1` (HMAC, secret `whsec_…`) or `v1a` (Ed25519, public key `whpk_…`)."""
    message_id = _header(request, "webhook-id", "svix-id")
    timestamp = _header(request, "webhook-timestamp", "svix-timestamp")
    signatures = _header(request, "webhook-signature", "svix-signature")
    _check_age(timestamp, request.now)
    content = f"{message_id}.{timestamp}.".encode() + request.body
    is_asymmetric = secret.startswith("whpk_")
    key = _decode_key(secret)
    for candidate in signatures.split(" ")[:_MAX_CANDIDATES]:
        version, _, value = candidate.partition(",")
        signature = _base64(value)
        if signature is None:
            continue
        if not is_asymmetric and version == "v1" and _equal_mac(key, content, signature):
            return
        if is_asymmetric and version == "v1a" and _is_ed25519(key, content, signature):
            return
    raise SignatureError("no signature matches")


def verify_stripe(request: SignedRequest, secret: str) -> None:
    """`Stripe-Signature: t=…,v1=…`; the key is the whole secret as text, only `v1` counts."""
    pairs = [part.strip().partition("=") for part in _header(request, "stripe-signature").split(",")]
    timestamps = [value for name, _, value in pairs if name == "t"]
    if len(timestamps) != 1:
        raise SignatureError("the signature header has no single timestamp")
    _check_age(timestamps[0], request.now)
    expected = _hex_mac(secret, f"{timestamps[0]}.".encode() + request.body)
    _match_any((value for name, _, value in pairs if name == "v1"), expected)


def verify_github(request: SignedRequest, secret: str) -> None:
    """`X-Hub-Signature-256: sha256=<hex>` over the raw body."""
    scheme, _, value = _header(request, "x-hub-signature-256").partition("=")
    if scheme != "sha256":
        raise SignatureError("the signature is not sha256")
    _match_any([value], _hex_mac(secret, request.body))


def verify_twilio(request: SignedRequest, secret: str) -> None:
    """HMAC-SHA1 over the public URL and the sorted form fields, or the URL with the body's hash in it."""
    given = _header(request, "x-twilio-signature")
    digest = parse_qs(urlsplit(request.url).query).get("bodySHA256", [""])[0]
    fields = ""
    if digest:
        if not hmac.compare_digest(hashlib.sha256(request.body).hexdigest(), digest.lower()):
            raise SignatureError("the body is not the one that was signed")
    else:
        fields = _twilio_fields(request.body)
    for url in _with_and_without_port(request.url):
        mac = hmac.digest(_secret_bytes(secret), (url + fields).encode(), hashlib.sha1)
        if hmac.compare_digest(base64.b64encode(mac), given.encode()):
            return
    raise SignatureError("no signature matches")


def verify_hmac(request: SignedRequest, secret: str, scheme: HmacScheme) -> None:
    """A custom sender's HMAC, as its `HmacScheme` describes it."""
    given = _header(request, scheme.header.lower())
    if not given.startswith(scheme.prefix):
        raise SignatureError("the signature has another prefix")
    timestamp = ""
    if scheme.timestamp_header:
        timestamp = _header(request, scheme.timestamp_header.lower())
        _check_age(timestamp, request.now)
    before, _, after = scheme.template.replace("{timestamp}", timestamp).partition("{body}")
    content = before.encode() + request.body + after.encode()
    mac = hmac.digest(_secret_bytes(secret), content, scheme.algorithm)
    expected = mac.hex() if scheme.encoding == "hex" else base64.b64encode(mac).decode()
    value = given[len(scheme.prefix) :]
    _match_any([value.lower() if scheme.encoding == "hex" else value], expected)


VERIFIERS: dict[str, Callable[[SignedRequest, str], None]] = {
    "standard": verify_standard,
    "stripe": verify_stripe,
    "github": verify_github,
    "twilio": verify_twilio,
}


def _header(request: SignedRequest, *names: str) -> str:
    for name in names:
        value = request.headers.get(name, "")
        if value:
            if not value.isascii():
                raise SignatureError(f"{name} is not plain text")
            return value
    raise SignatureError(f"{names[0]} is missing")


def _check_age(timestamp: str, now: float) -> None:
    if not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError("the timestamp is not a number of seconds")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise SignatureError("the timestamp is too old or too new")


def _secret_bytes(secret: str) -> bytes:
    if not secret:
        raise SignatureError("the source has no signing secret")
    return secret.encode()


def _decode_key(secret: str) -> bytes:
    value = secret.removeprefix("whsec_").removeprefix("whpk_")
    key = _base64(value + "=" * (-len(value) % 4))
    if not key:
        raise SignatureError("the source has no usable signing secret")
    return key


def _base64(value: str) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def _equal_mac(key: bytes, content: bytes, signature: bytes) -> bool:
    return hmac.compare_digest(hmac.digest(key, content, "sha256"), signature)


def _is_ed25519(key: bytes, content: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _hex_mac(secret: str, content: bytes) -> str:
    return hmac.digest(_secret_bytes(secret), content, "sha256").hex()


def _match_any(candidates: Iterable[str], expected: str) -> None:
    for count, candidate in enumerate(candidates):
        if count >= _MAX_CANDIDATES:
            break
        if hmac.compare_digest(candidate.encode(), expected.encode()):
            return
    raise SignatureError("no signature matches")


def _twilio_fields(body: bytes) -> str:
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MAX_FORM_FIELDS)
    except ValueError:
        raise SignatureError("the form cannot be read") from None
    return "".join(name + value for name, value in sorted(set(pairs)))


def _with_and_without_port(url: str) -> list[str]:
    """Senders sign the address they were given, with or without its default port."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        return [url]
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    default = 443 if parts.scheme == "https" else 80
    bare = url.replace(parts.netloc, host, 1)
    return list(dict.fromkeys([url, bare, url.replace(parts.netloc, f"{host}:{port or default}", 1)]))
