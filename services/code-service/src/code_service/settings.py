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


def settings_of(runtime: Runtime) -> Settings:
    """This service's settings out of its runtime."""
    return cast(Settings, runtime.config)
