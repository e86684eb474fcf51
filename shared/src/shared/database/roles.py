"""Names, passwords and addresses of the database roles of a service.

Each schema has an owner (migrations), a runtime role that logs in and is bound by row-level security, and a
worker role, taken on per transaction, whose policy sees every tenant.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote, urlsplit, urlunsplit


def owner_role(schema: str) -> str:
    return f"tidings_{schema}_owner"


def runtime_role(schema: str) -> str:
    return f"tidings_{schema}_rw"


def worker_role(schema: str) -> str:
    return f"tidings_{schema}_worker"


def role_password(secret: str, role: str) -> str:
    """The password of a role, derived from DATABASE_ROLE_SECRET so that nobody has to keep five of them."""
    return hmac.new(secret.encode(), role.encode(), hashlib.sha256).hexdigest()


def runtime_dsn(admin_dsn: str, schema: str, secret: str, database: str | None = None) -> str:
    """The address a service logs in with, made from an administrator's address."""
    parts = urlsplit(admin_dsn)
    role = runtime_role(schema)
    host = parts.netloc.rpartition("@")[2]
    login = f"{role}:{quote(role_password(secret, role))}@{host}"
    path = f"/{database}" if database else parts.path
    return urlunsplit((parts.scheme, login, path, parts.query, ""))


def with_database(dsn: str, database: str) -> str:
    """The same address for another database of the same server."""
    parts = urlsplit(dsn)
    return urlunsplit((parts.scheme, parts.netloc, f"/{database}", parts.query, ""))
