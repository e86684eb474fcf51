"""Health, readiness, version and metrics of a service."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from shared.errors import ServiceUnavailableError
from shared.models.responses import ApiResponse, success_response
from shared.web.dependencies import RuntimeDep
from shared.web.metrics import HttpMetrics

VERSION = "0.1.0"

router = APIRouter(tags=["health"])


@router.get("/health", response_model=ApiResponse[dict[str, Any]])
async def health(runtime: RuntimeDep) -> ApiResponse[dict[str, Any]]:
    """The process lives. Its parts are listed, but do not change the status."""
    return success_response({"service": runtime.name, "status": "ok", "checks": await _checks(runtime)})


@router.get("/ready", response_model=ApiResponse[dict[str, Any]])
async def ready(runtime: RuntimeDep) -> ApiResponse[dict[str, Any]]:
    """The service can take requests; 503 while it starts, stops or has no database."""
    checks = await _checks(runtime)
    if not runtime.ready or not checks["database"]:
        raise ServiceUnavailableError(f"{runtime.name} is not ready", details={"checks": checks})
    return success_response({"service": runtime.name, "status": "ready", "checks": checks})


@router.get("/version", response_model=ApiResponse[dict[str, str]])
async def version(runtime: RuntimeDep) -> ApiResponse[dict[str, str]]:
    return success_response({"service": runtime.name, "version": VERSION})


@router.get("/metrics", include_in_schema=False)
async def metrics_page(request: Request, runtime: RuntimeDep) -> Response:
    metrics: HttpMetrics = request.app.state.metrics
    metrics.outbox.set((await runtime.events.health()).get("backlog", 0))
    return Response(metrics.render(), media_type="text/plain; version=0.0.4")


async def _checks(runtime: RuntimeDep) -> dict[str, Any]:
    return {"database": await runtime.db.health_check(), "events": await runtime.events.health()}
