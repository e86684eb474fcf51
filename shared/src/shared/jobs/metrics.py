"""Counters of jobs."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

attempts = Counter("tidings_job_attempts", "Attempts by their end", ["type", "outcome"])
rescued = Counter("tidings_jobs_rescued", "Jobs taken over from workers that were not heard of", ["type"])
running = Gauge("tidings_jobs_running", "Jobs this process runs now")
duration = Histogram(
    "tidings_job_seconds", "Time one attempt took", ["type"], buckets=(0.1, 1, 5, 30, 60, 300, 900, 3600)
)
