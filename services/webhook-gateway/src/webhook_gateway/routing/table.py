"""Which service answers which path. A new service is one line in `ROUTES`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["upstream", "own", "ingest", "open"]

AUTH = "auth-service"
CAMPAIGN = "campaign-service"
CODE = "code-service"
GATEWAY = "webhook-gateway"
PROPERTY = "property-service"


@dataclass(frozen=True, slots=True)
class Route:
    """A path prefix (whole segments) and what happens below it.

    `kind`: `upstream` is proxied, `own` is answered here for an authenticated caller, `ingest` takes
    webhooks, `open` is answered here for anybody. `is_public` needs no token; `is_counted` counts against
    the caller's rate limit.
    """

    prefix: str
    service: str
    kind: Kind = "upstream"
    is_public: bool = False
    is_counted: bool = True


def _routes(service: str, *prefixes: str, kind: Kind = "upstream") -> tuple[Route, ...]:
    return tuple(Route(prefix, service, kind) for prefix in prefixes)


ROUTES: tuple[Route, ...] = (
    *_routes(AUTH, "/auth", "/users", "/tenants", "/api-keys", "/audit-log"),
    Route("/.well-known", AUTH, is_public=True, is_counted=False),
    *_routes(
        CAMPAIGN,
        "/api/v2/campaigns",
        "/api/v2/tags",
        "/api/v2/data-sources",
        "/api/v2/stats",
        "/api/v2/contacts",
        "/api/v2/templates",
        "/api/v2/suppressions",
        "/api/v2/messages",
        "/api/v2/attachments",
        "/api/v2/conversations",
        "/api/v2/leads",
        "/api/v2/sending",
        "/api/v2/portals",
        "/api/v2/jobs",
    ),
    Route("/t", CAMPAIGN, is_public=True, is_counted=False),
    *_routes(CODE, "/codes", "/links", "/batch-jobs", "/automation", "/email", "/orders"),
    Route("/l", CODE, is_public=True, is_counted=False),
    *_routes(
        PROPERTY,
        "/api/process-client",
        "/api/add-addresses",
        "/api/job-status",
        "/api/get-client-properties",
        "/api/client-properties",
        "/api/process-retry-queue",
        "/api/cleanup-jobs",
        "/api/run-daily",
        "/api/properties",
        "/api/cities",
        "/api/clients",
        "/admin",
    ),
    *_routes(GATEWAY, "/webhook-sources", "/webhook-events", "/integrations/webhooks/processed", kind="own"),
    *(
        Route(prefix, GATEWAY, "ingest", is_public=True, is_counted=False)
        for prefix in ("/api/v2/webhooks", "/hooks", "/integrations/make/webhook")
    ),
    *(
        Route(prefix, GATEWAY, "open", is_public=True, is_counted=False)
        for prefix in (
            "/health",
            "/ready",
            "/version",
            "/metrics",
            "/docs",
            "/redoc",
            "/openapi.json",
            "/api/v2/webhooks/health",
        )
    ),
)

PUBLIC_OPERATIONS = frozenset(
    ("POST", path)
    for path in (
        "/auth/register",
        "/auth/login",
        "/auth/refresh",
        "/auth/verify-email",
        "/auth/password/forgot",
        "/auth/password/reset",
    )
) | frozenset(
    # The pages behind the links in mails, and what they load.
    ("GET", path)
    for path in (
        "/auth/verify-email",
        "/auth/password/forgot",
        "/auth/password/reset",
        "/auth/pages/page.css",
        "/auth/pages/page.js",
    )
)

#: Paths below guarded prefixes that people follow without a token, as often as they like.
PUBLIC_PATHS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (method, re.compile(r"/links/[A-Za-z0-9_-]{3,64}/redirect")) for method in ("GET", "HEAD")
)

UPLOADS: tuple[re.Pattern[str], ...] = (
    re.compile(r"/api/v2/contacts/[^/]+/import"),
    re.compile(r"/api/v2/(?:attachments|messages)/[^/]+"),
    re.compile(r"/api/v2/(?:templates|campaigns)/[^/]+/[^/]+/attachments"),
    re.compile(r"/codes/import"),
    re.compile(r"/automation/(?:fienta|csv)/[a-z-]+"),
    re.compile(r"/automation/xlsx-to-csv"),
    re.compile(r"/api/(?:properties|cities)/import"),
)


class RoutingTable:
    """Longest prefix first, on whole segments; what is not listed is not reachable."""

    def __init__(self, routes: Iterable[Route] = ROUTES) -> None:
        self._routes = {route.prefix: route for route in routes}
        self._depth = max(prefix.count("/") for prefix in self._routes)

    def match(self, path: str) -> Route | None:
        parts = path.split("/", self._depth + 1)
        for size in range(min(len(parts), self._depth + 1), 1, -1):
            route = self._routes.get("/".join(parts[:size]))
            if route is not None:
                return route
        return None

    def services(self) -> tuple[str, ...]:
        """Names of the services behind the door, in table order."""
        names = (route.service for route in self._routes.values() if route.kind == "upstream")
        return tuple(dict.fromkeys(names))

    def serves(self, service: str, path: str) -> bool:
        """Whether a path of a service's own documentation is reachable through the door."""
        route = self.match(path)
        return route is not None and route.service == service


def is_public(route: Route, method: str, path: str) -> bool:
    if route.is_public or (method, path) in PUBLIC_OPERATIONS:
        return True
    return _is_followed(method, path)


def is_counted(route: Route, method: str, path: str) -> bool:
    """Whether it counts against the rate limit. A whole office may follow a link from one address."""
    return route.is_counted and not _is_followed(method, path)


def _is_followed(method: str, path: str) -> bool:
    return any(method == verb and pattern.fullmatch(path) for verb, pattern in PUBLIC_PATHS)


def is_upload(method: str, path: str) -> bool:
    """Whether the larger body limit MAX_UPLOAD_BYTES holds."""
    return method == "POST" and any(pattern.fullmatch(path) for pattern in UPLOADS)
