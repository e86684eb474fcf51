"""Wiring of property-service."""

from __future__ import annotations

from fastapi import FastAPI

from property_service.admin import routes as admin
from property_service.assignments import routes as assignments
from property_service.clients import routes as clients
from property_service.daily import job as daily_job
from property_service.daily import routes as daily
from property_service.imports import job as import_job
from property_service.imports import routes as imports
from property_service.noindex import NoIndexMiddleware
from property_service.places import routes as places
from property_service.processing import job as processing_job
from property_service.processing import routes as processing
from property_service.reports import consumers as report_consumers
from property_service.reports import routes as reports
from property_service.sales import routes as sales
from property_service.settings import Settings
from shared.jobs import jobs_router
from shared.web import create_service_app

NAME = "property-service"


def create_app(settings: Settings) -> FastAPI:
    """The app, not yet started."""
    app = create_service_app(
        name=NAME,
        config=settings,
        routers=[
            imports.router,
            sales.router,
            places.router,
            clients.router,
            assignments.router,
            processing.router,
            daily.router,
            reports.router,
            admin.router,
            jobs_router("/api/properties/jobs"),
        ],
        consumers=report_consumers.CONSUMERS,
        jobs=(*processing_job.specs(settings), *daily_job.JOBS, *import_job.JOBS),
        schedules=(*daily_job.SCHEDULES, *import_job.SCHEDULES),
        body_limits={imports.IMPORT_PATHS: settings.import_max_bytes + imports.FORM_OVERHEAD},
    )
    app.add_middleware(NoIndexMiddleware)
    return app
