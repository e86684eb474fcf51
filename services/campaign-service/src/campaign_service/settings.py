"""Settings of campaign-service, beside the common ones."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, cast

from pydantic import AfterValidator, Field

from campaign_service.netlife.config import check_address
from campaign_service.rendering import Site
from shared.config import CommonConfig, load_settings
from shared.web import Runtime


class Settings(CommonConfig):
    """Fields are named like their environment variables, in lower case."""

    mail_domain: str = "mail.tidings.localhost"
    default_from_email: str = ""
    send_connections: int = Field(default=8, ge=1, le=200)
    send_batch: int = Field(default=500, ge=1, le=5000)
    send_lease_seconds: int = Field(default=30, ge=1, le=3600)
    send_window: int = Field(default=25, ge=1, le=500)
    send_retry_seconds: float = Field(default=60.0, gt=0)
    sending_dns: str = Field(default="", pattern=r"^(off|[^\s]+:[0-9]{1,5})?$")
    """Resolver for records of sending domains, `host:port`; empty for the machine's own, `off` for none."""
    intake_smtp_host: str = ""
    intake_smtp_port: int = Field(default=0, ge=0, le=65535)
    soft_bounce_limit: int = Field(default=5, ge=1, le=100)
    """Soft bounces in a row after which an address is held back."""
    soft_suppression_days: int = Field(default=90, ge=0, le=3650)
    """For how long it is; 0 for good."""
    provider_private_hosts: list[str] = Field(default_factory=list)
    """Hosts that tenants' providers may have though they are no public addresses, as JSON."""
    validation_dns: str = Field(default="", pattern=r"^(off|[^\s]+:[0-9]{1,5})?$")
    """Resolver for domains of addresses, `host:port`; empty for the machine's own, `off` for none."""
    attachments_max_bytes: int = Field(default=10 * 1024 * 1024, ge=1)
    """Of one file, and of all files that a template, a campaign or a message has."""
    message_files_keep_days: int = Field(default=30, ge=1)
    """For how long the files that came with single messages are kept; their names are kept for good."""
    import_max_bytes: int = Field(default=200 * 1024 * 1024, ge=1)
    live_seconds: float = Field(default=1.0, gt=0, le=60)
    live_streams: int = Field(default=200, ge=1)
    live_per_tenant: int = Field(default=20, ge=1)
    source_backoff_seconds: float = Field(default=1.0, gt=0, le=60)
    twilio_url: str = "https://api.twilio.com"
    sms_connections: int = Field(default=4, ge=1, le=100)
    sms_timeout_seconds: float = Field(default=20.0, gt=0, le=300)
    mailwizz_poll_seconds: int = Field(default=300, ge=1, le=86_400)
    netlife_portals: dict[str, Annotated[str, AfterValidator(check_address)]] = Field(default_factory=dict)
    """Photo portals beside the known ones: name to API address, as JSON."""
    netlife_keep_days: int = Field(default=30, ge=1)

    @property
    def from_email(self) -> str:
        """Sender of campaigns that name none."""
        return self.default_from_email or f"news@{self.mail_domain}"


def load() -> Settings:
    """Settings from the environment; `ConfigurationError` names what is wrong."""
    return load_settings(Settings)


def settings_of(runtime: Runtime) -> Settings:
    """This service's settings out of its runtime."""
    return cast(Settings, runtime.config)


@lru_cache(maxsize=8)
def _site(secret: str, public_url: str, mail_domain: str) -> Site:
    return Site.from_secret(secret, public_url=public_url, mail_domain=mail_domain)


def site_of(runtime: Runtime) -> Site:
    """Public address, mail domain and the keys of tokens and references."""
    settings = settings_of(runtime)
    return _site(settings.jwt_secret.get_secret_value(), settings.public_url, settings.mail_domain)
