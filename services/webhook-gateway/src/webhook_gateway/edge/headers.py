"""Which headers may cross the door, in both directions.

Names are compared after folding `_` and `.` to `-`, because servers behind a proxy may read
`x_user_id` or `x.user.id` as `x-user-id`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

Headers = list[tuple[bytes, bytes]]

_FOLD = bytes.maketrans(b"._", b"--")

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    }
)

# Names a client must never set: who it is, where it came from, or what the services say to each other.
_IDENTITY_NAMES = frozenset(
    {
        b"forwarded",
        b"proxy",
        b"via",
        b"remote-user",
        b"client-ip",
        b"true-client-ip",
        b"cf-connecting-ip",
        b"fastly-client-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-real-ip",
        b"x-host",
        b"x-rewrite-url",
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-role",
        b"x-roles",
        b"x-scope",
        b"x-scopes",
        b"x-api-key",
        b"x-admin-key",
        b"x-request-id",
        b"x-correlation-id",
        b"traceparent",
        b"tracestate",
        b"expect",
        b"host",
    }
)
_IDENTITY_PREFIXES = (
    b"x-user",
    b"x-tenant",
    b"x-actor",
    b"x-auth",
    b"x-identity",
    b"x-session",
    b"x-service",
    b"x-internal",
    b"x-forwarded",
    b"x-original",
    b"x-envoy",
    b"x-remote",
    b"x-consumer",
    b"x-credential",
)

# `Connection: <name>` asks a proxy to drop a header. These describe the message or its sender, so they stay.
_END_TO_END = frozenset(
    {
        b"authorization",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"cookie",
        b"host",
        b"idempotency-key",
        b"origin",
        b"traceparent",
        b"x-request-id",
    }
)

_RESPONSE_DROPPED = HOP_BY_HOP | {
    b"server",
    b"date",
    b"x-request-id",
    b"x-powered-by",
    b"strict-transport-security",
    b"x-content-type-options",
    b"referrer-policy",
}
_RESPONSE_PREFIXES = (b"x-internal", b"x-service", b"access-control-", b"x-ratelimit", b"ratelimit")


def fold(name: bytes) -> bytes:
    """The name as the strictest server behind us could read it."""
    return name.lower().translate(_FOLD)


@lru_cache(maxsize=4096)
def is_forwardable(name: bytes) -> bool:
    """Whether a client's header may reach a service."""
    folded = fold(name)
    if folded in HOP_BY_HOP or folded in _IDENTITY_NAMES:
        return False
    # An alias such as `content_length` or `transfer.encoding` has no honest use.
    if folded != name and folded in _END_TO_END:
        return False
    return not folded.startswith(_IDENTITY_PREFIXES)


@lru_cache(maxsize=4096)
def returned_name(name: bytes) -> bytes | None:
    """A service's header name in lower case; None when it stops here.

    The door sets CORS, rate-limit and safety headers itself.
    """
    lowered = name.lower()
    if lowered in _RESPONSE_DROPPED or lowered.startswith(_RESPONSE_PREFIXES):
        return None
    return lowered


def connection_tokens(listed: Iterable[bytes]) -> frozenset[bytes]:
    """Lower-case names listed in `Connection`, without the end-to-end ones nobody may ask us to drop."""
    tokens = (token.strip().lower() for value in listed for token in value.split(b","))
    return frozenset(token for token in tokens if token and token not in _END_TO_END)


def request_headers(headers: Headers, connection: bytes | None) -> Headers:
    """The client's headers that may travel on, in order; ours are added afterwards, never before.

    Names are in lower case. `connection` is None when there is no Connection header to look for.
    """
    kept = [(n, v) for n, v in headers if is_forwardable(n)]
    if connection is None:
        return kept
    dropped = connection_tokens(values(headers, b"connection"))
    return [(n, v) for n, v in kept if n not in dropped]


def response_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """A service's headers that may travel back, names in lower case."""
    kept: Headers = []
    connection: list[bytes] = []
    for name, value in headers:
        returned = returned_name(name)
        if returned is not None:
            kept.append((returned, value))
        elif name.lower() == b"connection":
            connection.append(value)
    if connection:
        dropped = connection_tokens(connection)
        return [(n, v) for n, v in kept if n not in dropped]
    return kept


def values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """All values of a header, by its exact lower-case name."""
    return [value for key, value in headers if key == name]


def first(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The first value of a header, by its exact lower-case name."""
    for key, value in headers:
        if key == name:
            return value
    return None
