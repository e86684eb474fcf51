"""Cross-origin answers from CORS_ORIGINS."""

from __future__ import annotations

from dataclasses import dataclass

from webhook_gateway.edge.headers import Headers

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_ALLOWED = (
    b"authorization, content-type, idempotency-key, if-match, if-none-match, traceparent, tracestate, "
    b"x-api-key, x-admin-key, x-request-id"
)
_EXPOSED = (
    b"x-request-id, ratelimit, ratelimit-policy, x-ratelimit-limit, x-ratelimit-remaining, "
    b"x-ratelimit-reset, retry-after, idempotent-replayed, location, etag, content-disposition"
)


@dataclass(frozen=True)
class CorsPolicy:
    """Origins that browsers may call from; `*` allows any, but then never with cookies."""

    origins: frozenset[bytes]

    @classmethod
    def parse(cls, text: str) -> CorsPolicy:
        return cls(frozenset(part.strip().rstrip("/").encode() for part in text.split(",") if part.strip()))

    def headers(self, origin: bytes | None) -> Headers:
        """What to add to any answer for a request with this Origin."""
        if not self.origins:
            return []
        if b"*" in self.origins:
            return [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", _EXPOSED)]
        if origin not in self.origins:
            return [(b"vary", b"origin")]  # also without an Origin: a cache may keep the answer for one
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"origin"),
        ]

    def preflight_headers(self, origin: bytes) -> Headers:
        """The answer to OPTIONS with Access-Control-Request-Method; without permission for other origins."""
        headers = self.headers(origin)
        if any(name == b"access-control-allow-origin" for name, _ in headers):
            headers += [
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _ALLOWED),
                (b"access-control-max-age", b"600"),
            ]
        return headers
