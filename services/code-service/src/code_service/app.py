"""Wiring of code-service."""

from __future__ import annotations

from fastapi import FastAPI

from code_service.allocation import routes as allocation
from code_service.allocation import sweeper
from code_service.automation import jobs as automation_jobs
from code_service.automation import routes as automation
from code_service.automation import table_jobs
from code_service.batch_jobs import job as batch_job
from code_service.batch_jobs import routes as batch_jobs
from code_service.codes import routes as codes
from code_service.consumers import CONSUMERS
from code_service.exchange import job as exchange_job
from code_service.exchange import routes as exchange
from code_service.fienta import routes as fienta
from code_service.generation import job as generation_job
from code_service.generation import routes as generation
from code_service.links import recorder
from code_service.links import routes as links
from code_service.mailing import job as mailing_job
from code_service.mailing import routes as mailing
from code_service.orders import routes as orders
from code_service.settings import Settings
from shared.jobs import jobs_router
from shared.web import create_service_app

NAME = "code-service"


def create_app(settings: Settings) -> FastAPI:
    """The app, not yet started."""
    return create_service_app(
        name=NAME,
        config=settings,
        # Redirects first: they are asked for most. Fixed paths below /codes before /codes/{code}.
        routers=[
            links.public_router,
            links.router,
            links.internal_router,
            allocation.router,
            allocation.internal_router,
            exchange.router,
            generation.router,
            codes.router,
            orders.router,
            fienta.router,
            automation.router,
            mailing.router,
            batch_jobs.router,
            automation.rows_router,
            jobs_router("/batch-jobs"),
        ],
        consumers=CONSUMERS,
        jobs=(
            *sweeper.JOBS,
            *generation_job.JOBS,
            *exchange_job.JOBS,
            *automation_jobs.JOBS,
            *table_jobs.JOBS,
            *mailing_job.JOBS,
            *batch_job.JOBS,
            *recorder.JOBS,
        ),
        schedules=(
            *sweeper.SCHEDULES,
            *exchange_job.SCHEDULES,
            *batch_job.SCHEDULES,
            *recorder.SCHEDULES,
        ),
        startup=[recorder.open_recorder],
        shutdown=[recorder.close_recorder],
        background=[sweeper.run],
        body_limits={
            exchange.IMPORT_PATH: settings.import_max_bytes + exchange.FORM_OVERHEAD,
            automation.UPLOAD_PATHS: settings.import_max_bytes + automation.FORM_OVERHEAD,
        },
    )
