"""HTTP between services."""

from __future__ import annotations

import asyncio
from typing import Any, Self

import httpx
import structlog

from shared.errors import ExternalServiceError, ServiceUnavailableError, error_class_for_status
from shared.models.responses import ApiResponse

_RETRIED = {502, 503, 504}
_IDEMPOTENT = {"GET", "HEAD", "PUT", "DELETE"}


class ServiceClient:
    """Calls `/internal/*` of other services with a service key.

    Answers are the parsed envelope. A refusal (4xx) raises the error class of its status with the other
    side's code and message; a service that cannot be reached raises `ServiceUnavailableError`, one that
    fails `ExternalServiceError`. Reads are tried three times.
    """

    def __init__(self, service_key: str, *, timeout: float = 10.0, attempts: int = 3) -> None:
        self._headers = {"X-Service-Key": service_key}
        self._attempts = attempts
        self._client = httpx.AsyncClient(timeout=timeout, follow_redirects=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()

    async def get(self, url: str, *, params: dict[str, Any] | None = None) -> ApiResponse[Any]:
        return await self.request("GET", url, params=params)

    async def post(self, url: str, json: Any = None) -> ApiResponse[Any]:
        return await self.request("POST", url, json=json)

    async def put(self, url: str, json: Any = None) -> ApiResponse[Any]:
        return await self.request("PUT", url, json=json)

    async def patch(self, url: str, json: Any = None) -> ApiResponse[Any]:
        return await self.request("PATCH", url, json=json)

    async def delete(self, url: str) -> ApiResponse[Any]:
        return await self.request("DELETE", url)

    async def request(self, method: str, url: str, **kwargs: Any) -> ApiResponse[Any]:
        attempts = self._attempts if method in _IDEMPOTENT else 1
        for attempt in range(1, attempts + 1):
            try:
                answer = await self._client.request(
                    method, url, headers=self._headers | _trace_headers(), **kwargs
                )
            except httpx.TransportError as error:
                if attempt == attempts:
                    raise ServiceUnavailableError(
                        f"{httpx.URL(url).host} cannot be reached", details={"reason": type(error).__name__}
                    ) from error
            else:
                if answer.status_code not in _RETRIED or attempt == attempts:
                    return _parse(answer)
            await asyncio.sleep(0.1 * 2**attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")


def _trace_headers() -> dict[str, str]:
    context = structlog.contextvars.get_contextvars()
    names = {"request_id": "X-Request-ID", "traceparent": "traceparent"}
    return {header: str(context[key]) for key, header in names.items() if context.get(key)}


def _parse(answer: httpx.Response) -> ApiResponse[Any]:
    if answer.status_code == 204:
        return ApiResponse[Any](success=True)
    try:
        body = ApiResponse[Any].model_validate_json(answer.content)
    except ValueError:
        raise ExternalServiceError(
            f"{answer.request.url.host} answered {answer.status_code} without an envelope"
        ) from None
    if answer.is_success:
        return body
    message = body.error.message if body.error else f"status {answer.status_code}"
    kind = error_class_for_status(answer.status_code)
    if answer.status_code >= 500:
        kind = ExternalServiceError
    error = kind(message, field=body.error.field if body.error else None)
    if body.error:
        error.code = body.error.code  # type: ignore[misc]  # the other side's code is the truth here
    raise error
