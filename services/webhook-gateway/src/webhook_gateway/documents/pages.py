"""/docs and /redoc: pages that read /openapi.json with nothing fetched from elsewhere."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

from webhook_gateway.edge.headers import Headers

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tidings API</title>
<link rel="stylesheet" href="/docs/reference.css">
</head>
<body data-mode="{mode}">
<header><h1>Tidings API</h1>
<label>Find <input id="filter" type="search" placeholder="path, tag or word" autocomplete="off"></label>
<label class="try">Access token or API key <input id="credential" type="password" autocomplete="off"></label>
</header>
<div id="layout"><nav id="tags" aria-label="Groups"></nav><main id="operations">Loading…</main></div>
<noscript>This page needs JavaScript; without it, read <a href="/openapi.json">/openapi.json</a>.</noscript>
<script src="/docs/reference.js"></script>
</body>
</html>
"""

_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    b"form-action 'none'; frame-ancestors 'none'"
)


@lru_cache(maxsize=4)
def _asset(name: str) -> bytes:
    return resources.files("webhook_gateway.documents").joinpath(name).read_bytes()


def page(path: str) -> tuple[bytes, Headers] | None:
    """Body and headers of a documentation page or its assets; None for another path.

    `/docs` can try operations out; `/redoc` shows everything open, for reading and printing.
    """
    if path in ("/docs", "/docs/"):
        return _PAGE.replace("{mode}", "try").encode(), _headers(b"text/html; charset=utf-8")
    if path in ("/redoc", "/redoc/"):
        return _PAGE.replace("{mode}", "read").encode(), _headers(b"text/html; charset=utf-8")
    if path == "/docs/reference.js":
        return _asset("reference.js"), _headers(b"text/javascript; charset=utf-8")
    if path == "/docs/reference.css":
        return _asset("reference.css"), _headers(b"text/css; charset=utf-8")
    return None


def _headers(content_type: bytes) -> Headers:
    return [
        (b"content-type", content_type),
        (b"content-security-policy", _POLICY),
        (b"cache-control", b"no-cache"),
    ]
