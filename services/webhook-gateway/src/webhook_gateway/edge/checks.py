"""Host, framing and path rules: what the HTTP parser lets through and we do not."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from shared.errors import MethodNotAllowedError
from webhook_gateway.edge.errors import HeadersTooLargeError, MalformedRequestError, WebSocketRefusedError
from webhook_gateway.edge.headers import Headers, fold

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MAX_HEADER_BYTES = 64 * 1024
MAX_TARGET_BYTES = 16 * 1024

_HOST = re.compile(
    rb"(?:[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?)*\.?"
    rb"|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?"
)
_RAW_PATH = re.compile(rb"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*")
_QUERY = re.compile(rb"[\x21\x22\x24-\x7e]*")
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_DECODE_ROUNDS = 3
# Where the body ends is in doubt, so nothing more is read.
_CLOSE = {"Connection": "close"}


@lru_cache(maxsize=1024)
def is_valid_host(value: bytes) -> bool:
    """`host[:port]` only: no userinfo, path, list or empty value."""
    match = _HOST.fullmatch(value)
    if match is None or len(value) > 255:
        return False
    port = match.group(1)
    return port is None or 0 < int(port) <= 65535


def check_method(method: str) -> None:
    if method not in METHODS:
        raise MethodNotAllowedError(f"Method {method[:20]} is not supported")


def check_headers(headers: Headers) -> bytes:
    """The one Host of the request.

    Raises `MalformedRequestError` unless there is exactly one well-formed Host and one way to find the
    end of the body, `HeadersTooLargeError` above 64 KiB.
    """
    hosts: list[bytes] = []
    lengths = encodings = size = 0
    for name, value in headers:
        size += len(name) + len(value) + 4
        if name == b"host":
            hosts.append(value)
        elif name == b"content-length":
            lengths += 1
        elif name == b"transfer-encoding":
            encodings += 1
        elif b"_" in name or b"." in name:
            _refuse_framing_alias(name)
    if size > MAX_HEADER_BYTES:
        raise HeadersTooLargeError("Request headers are too large")
    _check_framing(headers, lengths, encodings)
    if len(hosts) != 1 or not is_valid_host(hosts[0]):
        raise MalformedRequestError("Exactly one Host header of the form host[:port] is required")
    return hosts[0]


def check_upgrade(wanted: bytes | None) -> None:
    """Other upgrades, as to HTTP/2, may be left out; whoever wants a WebSocket can do nothing without it."""
    if wanted is not None and b"websocket" in wanted.lower():
        raise WebSocketRefusedError


def _refuse_framing_alias(name: bytes) -> None:
    if fold(name) in (b"transfer-encoding", b"content-length"):
        raise MalformedRequestError("A header looks like Content-Length or Transfer-Encoding but is not")


def _check_framing(headers: Headers, lengths: int, encodings: int) -> None:
    if lengths + encodings > 1:
        raise MalformedRequestError(
            "Content-Length and Transfer-Encoding must appear once, and not together", headers=_CLOSE
        )
    if encodings:
        coding = next(value for name, value in headers if name == b"transfer-encoding")
        if coding.strip().lower() != b"chunked":
            raise MalformedRequestError("The only transfer coding accepted is chunked", headers=_CLOSE)


@lru_cache(maxsize=2048)
def routed_path(raw_path: bytes) -> str:
    """The decoded path that routing uses, the same text a service's own router will see.

    Raises `MalformedRequestError` for control characters, backslashes, dot segments and empty segments in
    any of three rounds of decoding, so that no service can read another path than the one checked here.
    """
    if len(raw_path) > MAX_TARGET_BYTES or not _RAW_PATH.fullmatch(raw_path):
        raise MalformedRequestError("The request path is malformed")
    if _BROKEN_ESCAPE.search(raw_path):
        raise MalformedRequestError("The request path holds a broken percent escape")
    decoded = unquote_to_bytes(raw_path)
    candidate = raw_path
    for _ in range(_DECODE_ROUNDS):
        _refuse_ambiguous(candidate)
        following = unquote_to_bytes(candidate)
        if following == candidate:
            break
        candidate = following
    else:
        _refuse_ambiguous(candidate)
    try:
        return decoded.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedRequestError("The request path is not UTF-8") from None


def _refuse_ambiguous(path: bytes) -> None:
    if any(byte < 0x20 or byte in (0x5C, 0x7F) for byte in path):
        raise MalformedRequestError("The request path holds a control character or a backslash")
    segments = path.split(b"/")[1:]
    for index, segment in enumerate(segments):
        if segment.split(b";", 1)[0] in (b".", b".."):
            raise MalformedRequestError("The request path holds a dot segment")
        if not segment and index < len(segments) - 1:
            raise MalformedRequestError("The request path holds an empty segment")


def check_query(query: bytes) -> None:
    if len(query) > MAX_TARGET_BYTES or not _QUERY.fullmatch(query):
        raise MalformedRequestError("The query string is malformed")
