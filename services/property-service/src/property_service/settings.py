"""Settings of property-service, beside the common ones."""

from __future__ import annotations

from typing import cast

from pydantic import Field

from shared.config import CommonConfig
from shared.web import Runtime


class Settings(CommonConfig):
    """Fields are named like their environment variables, in lower case."""

    min_property_age_years: int = Field(default=6, ge=0)
    max_property_age_years: int = Field(default=8, ge=1)
    min_properties_per_city: int = Field(default=50, ge=0)
    default_addresses_per_report: int = Field(default=10, ge=1)
    max_job_retries: int = Field(default=3, ge=1)
    job_cleanup_days: int = Field(default=7, ge=0)
    job_retry_delay_hours: float = Field(default=1.0, gt=0)
    daily_hour: int = Field(default=9, ge=0, le=23)
    """Local hour of the client from which the day's work is done."""
    cto_email: str = ""
    """Gets the alerts of tenants that named nobody."""


def settings_of(runtime: Runtime) -> Settings:
    """This service's settings out of its runtime."""
    return cast(Settings, runtime.config)
