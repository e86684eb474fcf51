"""Settings of the gateway; names are those of the environment variables, in lower case."""

from __future__ import annotations

from functools import cached_property
from typing import Self

from pydantic import model_validator

from shared.config import CommonConfig
from shared.errors import ConfigurationError
from webhook_gateway.edge.addresses import Network, parse_networks

MIB = 1024 * 1024


class GatewaySettings(CommonConfig):
    """What the public door adds to the settings every service has. Sizes in bytes, times in seconds."""

    trusted_proxies: str = ""
    """CIDR ranges of load balancers in front of us whose X-Forwarded-For is believed; none by default."""

    metrics_networks: str = "127.0.0.0/8,::1/128"
    """Who may read /metrics without a service key."""

    max_upload_bytes: int = 202 * MIB
    """Above the largest import by the form around it."""
    max_webhook_bytes: int = 8 * MIB

    client_patience: float = 20.0
    """Longest silence of a client in the middle of a body. A body that is read whole may take four of it."""
    proxy_connect_timeout: float = 3.0
    proxy_first_byte_timeout: float = 30.0
    """Longest silence of a service: while it takes a body, before it answers, between pieces of an answer."""
    proxy_total_timeout: float = 120.0
    proxy_upload_timeout: float = 900.0

    ingest_max_in_flight: int = 256
    """Webhooks being stored at once in one process; more are answered 503 with Retry-After."""
    webhook_retention_days: int = 90

    @model_validator(mode="after")
    def _check_networks(self) -> Self:
        for name in ("trusted_proxies", "metrics_networks"):
            try:
                parse_networks(getattr(self, name))
            except ValueError as error:
                raise ConfigurationError(f"{name.upper()}: {error}", field=name.upper()) from None
        return self

    @cached_property
    def trusted_networks(self) -> tuple[Network, ...]:
        return parse_networks(self.trusted_proxies)

    @cached_property
    def metrics_allowed(self) -> tuple[Network, ...]:
        return parse_networks(self.metrics_networks)
