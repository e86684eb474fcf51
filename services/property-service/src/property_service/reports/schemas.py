"""Shapes of a tenant's report settings."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from shared.utils.validation import is_email, validate_url


def _email(value: str) -> str:
    if not is_email(value):
        raise ValueError("this is not an e-mail address")
    return value


Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]*$"),
]
Color = Annotated[str, StringConstraints(to_lower=True, pattern=r"^#[0-9a-fA-F]{6}$")]
Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254), AfterValidator(_email)]
WebAddress = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=500),
    AfterValidator(validate_url),
]


class ReportSettings(BaseModel):
    """How the mails of a tenant look, whom they are from, and who is told when something is wrong.

    What is null is the installation's: its sender, and CTO_EMAIL for alerts.
    """

    model_config = ConfigDict(extra="forbid")

    brand_name: Line
    color: Color = "#6c63ff"
    accent: Color = "#8b84ff"
    logo_url: WebAddress | None = None
    website: WebAddress | None = Field(default=None, description="Where the button of each mail leads")
    sender_email: Email | None = None
    sender_name: Line | None = Field(default=None, description="The brand's name when null")
    reply_to: Email | None = None
    alert_email: Email | None = Field(default=None, description="Gets failures and shortages")
    language: Literal["fr", "en"] = Field(default="fr", description="Of alerts and test mails")


class ReportSettingsOut(ReportSettings):
    """`updated_at` is null while the settings are the defaults."""

    model_config = ConfigDict(extra="ignore")

    updated_at: datetime | None = None
