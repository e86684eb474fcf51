"""Settings from the environment and the one table of services."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.errors import ConfigurationError

# What `from shared import …` gives of it.
__all__ = ["SERVICES", "SERVICE_PORTS", "CommonConfig", "get_common_config", "get_service_url"]


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service: its network name, Python package, database schema and default port."""

    name: str
    package: str
    schema: str
    port: int


SERVICES: tuple[ServiceSpec, ...] = (
    ServiceSpec("webhook-gateway", "webhook_gateway", "gateway", 8000),
    ServiceSpec("auth-service", "auth_service", "auth", 8001),
    ServiceSpec("campaign-service", "campaign_service", "campaign", 8002),
    ServiceSpec("code-service", "code_service", "code", 8003),
    ServiceSpec("property-service", "property_service", "property", 8004),
)

SERVICE_PORTS: dict[str, int] = {service.name: service.port for service in SERVICES}

_ADDRESSES = {
    "database_url": ("postgresql", "postgres"),
    "events_url": ("amqp", "amqps", "postgres", "postgresql"),
    "redis_url": ("redis", "rediss", "unix"),
    "smtp_url": ("smtp", "smtps", "smtp+starttls"),
    "public_url": ("http", "https"),
}
_ORIGIN = re.compile(r"https?://[^/\s]+/?\Z")
_PLACEHOLDERS = re.compile(r"change.?me|placeholder|example|secret$|^dev|default", re.IGNORECASE)
_DURATION = re.compile(r"^(\d+)\s*([smhd]?)\Z")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def service_spec(name: str) -> ServiceSpec:
    """The service called `name`; ValueError when there is none."""
    for service in SERVICES:
        if service.name == name:
            return service
    raise ValueError(f"unknown service {name!r}; known: {', '.join(SERVICE_PORTS)}")


def get_service_url(name: str) -> str:
    """Base URL of a service: `<NAME>_URL` from the environment, else its default port on this machine.

    Raises ValueError for a name that is not in `SERVICES`.
    """
    spec = service_spec(name)
    variable = f"{name.upper().replace('-', '_')}_URL"
    return os.environ.get(variable, f"http://localhost:{spec.port}").rstrip("/")


def parse_duration(value: object) -> int:
    """Seconds from `600`, `"600"`, `"10m"`, `"24h"` or `"7d"`; ValueError otherwise."""
    match = _DURATION.match(str(value).strip())
    if match is None:
        raise ValueError("a duration is a number with an optional unit s, m, h or d, such as 10m")
    return int(match[1]) * _UNITS[match[2]]


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _split_commas(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


S = TypeVar("S", bound=BaseSettings)
Seconds = Annotated[int, BeforeValidator(parse_duration)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
CommaList = Annotated[list[str], NoDecode, BeforeValidator(_split_commas)]


class DatabaseConfig(BaseModel):
    """Where the database is and how many connections one process may hold."""

    model_config = ConfigDict(frozen=True)

    url: SecretStr
    max_connections: int = 5


class CommonConfig(BaseSettings):
    """Settings every service has. Names are those of the environment variables, in lower case."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    python_env: Literal["development", "test", "production"] = "development"
    log_level: LogLevel = "info"
    host: str = "127.0.0.1"
    port: int = 0
    service_role: Literal["all", "api", "worker"] = "all"
    data_dir: Path = Path(".tidings/data")

    database_url: SecretStr = SecretStr("postgresql://localhost:5432/tidings")
    db_max_connections: int = Field(default=5, ge=1)
    events_url: SecretStr = SecretStr("postgres://")
    events_namespace: str = Field(default="tidings", pattern=r"^[a-z0-9_-]{1,40}$")
    """Prefix of everything on the broker, so that several installations can share one."""
    redis_url: SecretStr | None = None
    smtp_url: SecretStr = SecretStr("smtp://localhost:1025")

    public_url: str = "http://localhost:8000"
    cors_origins: CommaList = []
    max_body_bytes: int = Field(default=1024 * 1024, ge=1)

    jwt_secret: SecretStr = SecretStr("dev-only-secret")
    jwt_issuer: str = ""
    jwt_expires_in: Seconds = Field(default=600, ge=1)
    internal_service_key: SecretStr = SecretStr("dev-only-service-key")
    internal_service_keys: SecretStr = SecretStr("")
    job_timeout_seconds: int = 3600
    job_lease_seconds: float = Field(default=60.0, ge=1)
    """A job whose process was not heard of for so long is given to another; six heartbeats fit in."""

    require_verified_email: bool = True
    """Whether only those send who have proven their own address, by themselves and by their API keys."""

    rate_limit_enabled: bool = True
    rate_limit_requests: int = Field(default=100, ge=1)
    rate_limit_window: Seconds = Field(default=3600, ge=1)

    @model_validator(mode="after")
    def _check_addresses(self) -> Self:
        for name, schemes in _ADDRESSES.items():
            value = getattr(self, name)
            text = value.get_secret_value() if isinstance(value, SecretStr) else value
            if text and text.partition("://")[0] not in schemes:
                known = ", ".join(f"{scheme}://" for scheme in schemes)
                raise ConfigurationError(f"{name.upper()} must begin with one of {known}", field=name.upper())
        return self

    @model_validator(mode="after")
    def _check_origins(self) -> Self:
        for origin in self.cors_origins:
            if origin != "*" and not _ORIGIN.match(origin):
                raise ConfigurationError(
                    f"CORS_ORIGINS: {origin!r} is no origin such as https://app.example.com",
                    field="CORS_ORIGINS",
                )
        return self

    @model_validator(mode="after")
    def _refuse_placeholders(self) -> Self:
        if self.python_env != "production":
            return self
        for name in ("jwt_secret", "internal_service_key"):
            value: str = getattr(self, name).get_secret_value()
            if len(value) < 32 or _PLACEHOLDERS.search(value):
                raise ConfigurationError(
                    f"{name.upper()} must be a random value of at least 32 characters in production",
                    field=name.upper(),
                )
        return self

    @property
    def database(self) -> DatabaseConfig:
        return DatabaseConfig(url=self.database_url, max_connections=self.db_max_connections)

    @property
    def issuer(self) -> str:
        """The `iss` of access tokens: JWT_ISSUER, else PUBLIC_URL."""
        return self.jwt_issuer or self.public_url

    def accepted_service_keys(self) -> dict[str, str]:
        """Key to caller, from INTERNAL_SERVICE_KEYS (`caller:key1,key2;caller:key3`)."""
        accepted: dict[str, str] = {}
        for entry in filter(None, self.internal_service_keys.get_secret_value().split(";")):
            caller, _, keys = entry.partition(":")
            accepted.update({key.strip(): caller.strip() for key in keys.split(",") if key.strip()})
        return accepted


def get_common_config() -> CommonConfig:
    """Read the environment now. Raises `ConfigurationError` naming the setting that is wrong."""
    return load_settings(CommonConfig)


def load_settings(kind: type[S]) -> S:
    """Build a settings class from the environment; one `ConfigurationError` names every wrong setting."""
    try:
        return kind()
    except ValueError as error:
        if isinstance(error, ConfigurationError):
            raise
        problems: list[Any] = getattr(error, "errors", list)()
        text = "; ".join(f"{'.'.join(map(str, p['loc'])).upper()}: {p['msg']}" for p in problems)
        raise ConfigurationError(text or str(error)) from None
