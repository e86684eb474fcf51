"""Settings of code-service, beside the common ones."""

from __future__ import annotations

from typing import cast

from pydantic import Field

from shared.config import CommonConfig
from shared.web import Runtime


class Settings(CommonConfig):
    """Fields are named like their environment variables, in lower case."""

    sweep_seconds: float = Field(default=5.0, gt=0)
    import_max_bytes: int = Field(default=50 * 1024 * 1024, ge=1)

    fienta_base_url: str = Field(default="https://fienta.com", pattern=r"^https?://")
    fienta_chromium: str = "/usr/bin/chromium"
    fienta_sandbox: bool = True
    """Chromium's own sandbox; a container that may not make user namespaces has to do without."""
    fienta_timezone: str = "Europe/Tallinn"
    """The zone of the times that Fienta's pages show, and of those in its webhooks that name none."""
    fienta_delay_seconds: float = Field(default=0.5, ge=0)
    fienta_operation_seconds: float = Field(default=180.0, gt=0)
    fienta_login_seconds: float = Field(default=180.0, gt=0)
    fienta_element_seconds: float = Field(default=30.0, gt=0)
    """How long a part of a page may take to appear before the page counts as changed."""


def settings_of(runtime: Runtime) -> Settings:
    """This service's settings out of its runtime."""
    return cast(Settings, runtime.config)
