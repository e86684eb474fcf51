"""The settings that the local stack gives to every process it starts."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.state import exclusive, read_json, write_json
from shared.config import SERVICES, ServiceSpec
from shared.database.roles import runtime_dsn

DEFAULTS = {
    "PYTHON_ENV": "development",
    "LOG_LEVEL": "info",
    "DB_MAX_CONNECTIONS": "10",
    # One person tries things out here; the limit for the public (100 an hour) would only be in the way.
    "RATE_LIMIT_REQUESTS": "100000",
}


@dataclass(frozen=True)
class Secrets:
    """Random values made once for this installation."""

    jwt_secret: str
    role_secret: str
    service_keys: dict[str, str]


def load_secrets(folder: Path, environment: Mapping[str, str] = os.environ) -> Secrets:
    """The installation's secrets, made at the first start and kept in `secrets.json` (mode 600).

    JWT_SECRET and DATABASE_ROLE_SECRET in `environment` win.
    """
    path = folder / "secrets.json"
    with exclusive(folder / "secrets.lock"):
        stored = read_json(path)
        wanted = _complete(stored)
        if wanted != stored:
            write_json(path, wanted)
    return Secrets(
        environment.get("JWT_SECRET") or wanted["JWT_SECRET"],
        environment.get("DATABASE_ROLE_SECRET") or wanted["DATABASE_ROLE_SECRET"],
        wanted["INTERNAL_SERVICE_KEYS"],
    )


def _complete(stored: dict[str, Any]) -> dict[str, Any]:
    keys = dict(stored.get("INTERNAL_SERVICE_KEYS", {}))
    for service in SERVICES:
        keys.setdefault(service.name, secrets.token_urlsafe(32))
    return {
        "JWT_SECRET": stored.get("JWT_SECRET") or secrets.token_urlsafe(48),
        "DATABASE_ROLE_SECRET": stored.get("DATABASE_ROLE_SECRET") or secrets.token_urlsafe(32),
        "INTERNAL_SERVICE_KEYS": keys,
    }


@dataclass(frozen=True)
class Settings:
    """Everything the processes of one stack need to know."""

    state: Path
    secrets: Secrets
    admin_dsn: str
    events_url: str
    smtp_url: str
    host: str
    ports: dict[str, int]
    environment: Mapping[str, str]

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['webhook-gateway']}"

    @property
    def public_url(self) -> str:
        """PUBLIC_URL when it was given, else the gateway's port on this machine."""
        return self.environment.get("PUBLIC_URL") or f"http://localhost:{self.ports['webhook-gateway']}"

    def for_migrations(self) -> dict[str, str]:
        return self._base() | {
            "MIGRATE_DATABASE_URL": self.admin_dsn,
            "DATABASE_ROLE_SECRET": self.secrets.role_secret,
        }

    def for_service(self, service: ServiceSpec) -> dict[str, str]:
        """The environment of one service: its own login and key, everybody's addresses."""
        keys = ";".join(f"{name}:{key}" for name, key in self.secrets.service_keys.items())
        addresses = {
            f"{name.upper().replace('-', '_')}_URL": f"http://127.0.0.1:{port}"
            for name, port in self.ports.items()
        }
        return (
            self._base()
            | addresses
            | {
                "DATABASE_URL": runtime_dsn(self.admin_dsn, service.schema, self.secrets.role_secret),
                "EVENTS_URL": self.events_url,
                "SMTP_URL": self.smtp_url,
                "PUBLIC_URL": self.public_url,
                "JWT_SECRET": self.secrets.jwt_secret,
                "INTERNAL_SERVICE_KEY": self.secrets.service_keys[service.name],
                "INTERNAL_SERVICE_KEYS": keys,
                "HOST": self.host if service.name == "webhook-gateway" else "127.0.0.1",
                "PORT": str(self.ports[service.name]),
                "DATA_DIR": str(self.state / "data" / service.name),
            }
        )

    def _base(self) -> dict[str, str]:
        inherited = {k: v for k, v in self.environment.items() if k != "DATABASE_ROLE_SECRET"}
        # What the mail catcher catches reaches nobody, so nobody has to prove who they are before they send.
        sending = {} if inherited.get("SMTP_URL") else {"REQUIRE_VERIFIED_EMAIL": "false"}
        return DEFAULTS | sending | inherited | {"PYTHONUNBUFFERED": "1"}
