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


def settings_of(runtime: Runtime) -> Settings:
    """This service's settings out of its runtime."""
    return cast(Settings, runtime.config)
