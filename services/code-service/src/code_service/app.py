"""Wiring of code-service."""

from __future__ import annotations

from fastapi import FastAPI

from code_service.allocation import routes as allocation
from code_service.allocation import sweeper
from code_service.codes import routes as codes
from code_service.settings import Settings
from shared.jobs import jobs_router
from shared.web import create_service_app

NAME = "code-service"


def create_app(settings: Settings) -> FastAPI:
    """The app, not yet started."""
    return create_service_app(
        name=NAME,
        config=settings,
        # Fixed paths below /codes first: /codes/{code} would take them for codes.
        routers=[
            allocation.router,
            allocation.internal_router,
            codes.router,
            jobs_router("/batch-jobs"),
        ],
        jobs=sweeper.JOBS,
        schedules=sweeper.SCHEDULES,
        background=[sweeper.run],
    )
