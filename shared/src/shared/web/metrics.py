"""Prometheus metrics of one service."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class HttpMetrics:
    """Requests by route template, so that ids in paths do not make a series each."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tidings_http_requests_total",
            "Requests answered",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "tidings_http_request_seconds", "Time to answer", ["route"], registry=self.registry
        )
        self.outbox = Gauge("tidings_outbox_backlog", "Events waiting for the relay", registry=self.registry)
        info = Gauge("tidings_service_info", "Constant 1", ["service"], registry=self.registry)
        info.labels(service).set(1)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def render(self) -> bytes:
        """This app's figures, then those of the process: events, jobs, memory."""
        return generate_latest(self.registry) + generate_latest(REGISTRY)
