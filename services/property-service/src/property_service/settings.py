"""Settings of property-service, beside the common ones."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from pydantic import Field

from shared.config import CommaList, CommonConfig
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
    cto_email: str = Field(default="", pattern=r"^$|^[^@\s]+@[^@\s]+$")
    """Gets the alerts of tenants that named nobody."""

    import_max_bytes: int = Field(default=200 * 1024 * 1024, ge=1)
    """Largest uploaded file of open data, as uploaded (mostly compressed)."""
    data_import_tenants: CommaList = Field(default_factory=list)
    """Ids of the tenants whose admins may import open data; empty for all."""
    city_stale_days: int = Field(default=90, ge=0)
    """After so many days a city's sales are asked for again."""
    dvf_folder: Path | None = None
    """A folder of DVF files, read when a city's sales are missing or old."""
    dvf_mirror_url: str = ""
    """A geo-dvf mirror, asked if there is no folder; below it are <year>/communes/<department>/<code>.csv."""
    dvf_mirror_pause: float = Field(default=1.0, ge=0)
    """Seconds between two requests to the mirror."""
    dvf_mirror_timeout: float = Field(default=30.0, gt=0)


def settings_of(runtime: Runtime) -> Settings:
    """This service's settings out of its runtime."""
    return cast(Settings, runtime.config)
