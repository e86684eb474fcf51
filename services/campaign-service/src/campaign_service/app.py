"""Wiring of campaign-service."""

from __future__ import annotations

from fastapi import FastAPI

from campaign_service.ab import routes as variants
from campaign_service.attachments import job as attachments_job
from campaign_service.attachments import routes as attachments
from campaign_service.attachments import upload
from campaign_service.campaigns import routes as campaigns
from campaign_service.campaigns import scheduler
from campaign_service.campaigns.holds import worker as holds
from campaign_service.campaigns.recipients import routes as recipients
from campaign_service.channels import routes as channels
from campaign_service.consumers import CONSUMERS
from campaign_service.contacts import routes as contacts
from campaign_service.contacts.consents import routes as consents
from campaign_service.contacts.definitions import routes as definitions
from campaign_service.contacts.duplicates import job as duplicates_job
from campaign_service.contacts.duplicates import routes as duplicates
from campaign_service.contacts.operations import job as operations_job
from campaign_service.contacts.operations import routes as operations
from campaign_service.contacts.privacy import job as privacy_job
from campaign_service.contacts.privacy import routes as privacy
from campaign_service.conversations import routes as conversations
from campaign_service.dkim import routes as sending_domains
from campaign_service.exports import routes as exports
from campaign_service.imports import job as import_job
from campaign_service.imports import routes as imports
from campaign_service.intake import server as intake
from campaign_service.limits import routes as limits
from campaign_service.live import routes as live
from campaign_service.mailwizz import job as mailwizz_job
from campaign_service.messages import mail_server
from campaign_service.messages import routes as messages
from campaign_service.messages import worker as message_worker
from campaign_service.netlife import job as netlife_job
from campaign_service.netlife import routes as netlife
from campaign_service.preflight import routes as preflight
from campaign_service.segments import routes as segments
from campaign_service.sending import worker as sender
from campaign_service.settings import Settings
from campaign_service.sms import routes as sms
from campaign_service.sms import worker as texter
from campaign_service.sources import job as source_job
from campaign_service.sources import periods
from campaign_service.sources import routes as sources
from campaign_service.stats import routes as stats
from campaign_service.stats.rollups import worker as rollups
from campaign_service.suppressions import routes as suppressions
from campaign_service.tags import routes as tags
from campaign_service.templates import routes as templates
from campaign_service.tracking import routes as tracking
from campaign_service.tracking.preferences import routes as tracking_settings
from campaign_service.tracking.rejudging import job as rejudging_job
from campaign_service.tracking.rejudging import routes as rejudging
from campaign_service.validation import job as validation_job
from campaign_service.validation import routes as validation
from campaign_service.warmup import job as warmup_job
from campaign_service.warmup import routes as warmup
from shared.jobs import jobs_router
from shared.web import create_service_app

NAME = "campaign-service"
# Tracking first: it is asked for most, and routes are tried in their order.
_ROUTERS = [
    tracking.router,
    imports.router,
    sources.router,
    validation.router,
    duplicates.router,
    segments.router,
    definitions.router,
    operations.router,
    privacy.router,
    consents.router,
    contacts.router,
    tags.router,
    attachments.router,
    attachments.template_router,
    attachments.campaign_router,
    templates.router,
    messages.router,
    mail_server.internal_router,
    campaigns.router,
    channels.router,
    warmup.router,
    limits.router,
    sending_domains.router,
    preflight.router,
    recipients.router,
    exports.router,
    rejudging.router,
    tracking_settings.router,
    variants.router,
    stats.router,
    suppressions.router,
    netlife.router,
    sms.router,
    conversations.router,
    conversations.leads_router,
    live.router,
    jobs_router("/api/v2/jobs/{tenant_id}"),
]
_JOBS = [
    *scheduler.JOBS,
    *import_job.JOBS,
    *validation_job.JOBS,
    *duplicates_job.JOBS,
    *operations_job.JOBS,
    *privacy_job.JOBS,
    *attachments_job.JOBS,
    *netlife_job.JOBS,
    *source_job.JOBS,
    *periods.JOBS,
    *warmup_job.JOBS,
    *rejudging_job.JOBS,
    *mailwizz_job.JOBS,
]
_BACKGROUND = [
    message_worker.run,
    scheduler.run,
    holds.run,
    sender.run,
    intake.run,
    texter.run,
    rollups.run,
]


def create_app(settings: Settings) -> FastAPI:
    """The app, not yet started."""
    return create_service_app(
        name=NAME,
        config=settings,
        routers=_ROUTERS,
        consumers=CONSUMERS,
        jobs=_JOBS,
        schedules=(
            *scheduler.SCHEDULES,
            *import_job.SCHEDULES,
            *validation_job.SCHEDULES,
            *operations_job.SCHEDULES,
            *attachments_job.SCHEDULES,
            *periods.SCHEDULES,
            *netlife_job.SCHEDULES,
            *warmup_job.SCHEDULES,
            *rejudging_job.SCHEDULES,
            *mailwizz_job.schedules(settings),
        ),
        background=_BACKGROUND,
        body_limits={
            imports.IMPORT_PATH: settings.import_max_bytes + imports.FORM_OVERHEAD,
            upload.UPLOAD_PATH: settings.attachments_max_bytes + upload.FORM_OVERHEAD,
            # base64 in JSON
            upload.MESSAGE_PATH: settings.attachments_max_bytes * 3 // 2 + settings.max_body_bytes,
        },
    )
