"""What can go wrong with a service, said with its name."""

from __future__ import annotations

from shared.errors import ExternalServiceError, GatewayTimeoutError, ServiceUnavailableError


class UpstreamUnreachableError(ServiceUnavailableError):
    code = "UPSTREAM_UNAVAILABLE"

    def __init__(self, service: str) -> None:
        super().__init__(f"{service} cannot be reached", retry_after=2, details={"service": service})


class UpstreamBrokenError(ExternalServiceError):
    code = "UPSTREAM_FAILED"

    def __init__(self, service: str) -> None:
        super().__init__(f"{service} broke off its answer", details={"service": service})


class UpstreamTimeoutError(GatewayTimeoutError):
    code = "UPSTREAM_TIMEOUT"

    def __init__(self, service: str) -> None:
        super().__init__(f"{service} did not answer in time", details={"service": service})
