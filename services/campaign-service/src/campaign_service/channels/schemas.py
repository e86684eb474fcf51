"""Shapes of a tenant's providers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)

from .model import Circuit, Kind

Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$")]
Domain = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=253)]
HeaderWord = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,100}$")]
Uid = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{5,40}$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/@?#]+(/[^\s?#]*)?$", max_length=500)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=500)]


class _Provider(BaseModel):
    """What all kinds share. A secret left out keeps that of the provider of this name and kind."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    connections: int = Field(default=4, ge=1, le=50, description="At most so many at once from one process")
    ip_pool: HeaderWord | None = Field(default=None, description="Name under which warm-up counts it")


class SmtpProvider(_Provider):
    """A mail server. `virtual_mta` and `job_header` tell PowerMTA its addresses and the campaign."""

    kind: Literal["smtp"]
    host: Host
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    secret: Secret | None = Field(default=None, description="The password")
    verp_domain: Domain | None = None
    virtual_mta: HeaderWord | None = None
    job_header: bool = False

    @model_validator(mode="after")
    def _no_password_in_clear(self) -> SmtpProvider:
        if self.username and self.security == "none" and self.host not in ("localhost", "127.0.0.1"):
            raise ValueError("a password is never sent without TLS")
        return self


class PowerMtaProvider(_Provider):
    """PowerMTA's submission over HTTP; `url` is the server's, without a path."""

    kind: Literal["powermta-http"]
    url: Url
    secret: Secret | None = Field(default=None, description="The API key")
    verp_domain: Domain | None = None
    virtual_mta: HeaderWord | None = None


class MailWizzProvider(_Provider):
    """A MailWizz; `url` ends in `/api`. It sends mails one by one, or whole campaigns as its own.

    In the latter case each campaign has a list of its own there: a copy of `list_uid`, with its fields and
    its company, or a new one that has only names and addresses.
    """

    kind: Literal["mailwizz"]
    url: Url
    secret: Secret | None = Field(default=None, description="The API key")
    sends: Literal["mails", "campaigns"] = "mails"
    list_uid: Uid | None = None
    poll: bool = True


class MessengerProvider(_Provider):
    """Any server that takes mails as JSON, signed with the secret."""

    kind: Literal["messenger"]
    url: Url
    secret: Secret | None = None


ProviderIn = Annotated[
    SmtpProvider | PowerMtaProvider | MailWizzProvider | MessengerProvider, Field(discriminator="kind")
]


class ChannelsIn(BaseModel):
    """The providers in the order in which they are used. None: the installation's mail server."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[list[ProviderIn], Field(max_length=10)] = Field(default_factory=list)

    @field_validator("email")
    @classmethod
    def _names_differ(cls, providers: list[ProviderIn]) -> list[ProviderIn]:
        if len({provider.name for provider in providers}) < len(providers):
            raise ValueError("two providers have the same name")
        return providers


class CircuitOut(BaseModel):
    """`open`: nothing is sent there before `retry_at`; `half_open`: a first mail is being tried."""

    state: Circuit
    failures: int
    retry_at: datetime | None
    last_error: str | None
    failed_at: datetime | None


class ProviderOut(BaseModel):
    id: UUID
    name: str
    kind: Kind
    settings: dict[str, Any]
    has_secret: bool
    circuit: CircuitOut
    updated_at: datetime


class ChannelsOut(BaseModel):
    """`uses_default`: there are no providers, so mail leaves by the installation's server."""

    email: list[ProviderOut]
    uses_default: bool
