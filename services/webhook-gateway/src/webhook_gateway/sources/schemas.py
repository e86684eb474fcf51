"""Shapes of webhook sources."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

SourceType = Literal[
    "mailwizz",
    "powermta",
    "generic",
    "test",
    "twilio",
    "stripe",
    "github",
    "standard",
    "make",
    "fienta",
]

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=r"^[^\x00-\x1f]+$")
]
Secret = Annotated[str, StringConstraints(min_length=8, max_length=500, pattern=r"^[\x21-\x7e]+$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$", to_lower=True)]

SIGNED_TYPES = frozenset({"twilio", "stripe", "github", "standard"})
MADE_SECRET_TYPES = frozenset({"github", "standard"})
_TEMPLATE = re.compile(r"[^{}]{0,32}(\{timestamp\}[^{}]{0,32})?\{body\}[^{}]{0,32}")


class SignatureSettings(BaseModel):
    """How a generic sender signs. `template` joins `{body}` with, optionally, `{timestamp}` in front."""

    model_config = ConfigDict(extra="forbid")

    header: HeaderName
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = Field(default="", max_length=20)
    template: str = Field(default="{body}", max_length=120)
    timestamp_header: HeaderName | None = None

    @model_validator(mode="after")
    def _check_template(self) -> Self:
        if not _TEMPLATE.fullmatch(self.template):
            raise ValueError("template must hold {body} once, and may hold {timestamp} before it")
        if ("{timestamp}" in self.template) != (self.timestamp_header is not None):
            raise ValueError("template and timestamp_header must both use the timestamp, or neither")
        return self


class SourceSettings(BaseModel):
    """`event_id_pointer` is a JSON pointer (RFC 6901) to the id by which repeats are recognised."""

    model_config = ConfigDict(extra="forbid")

    event_id_pointer: str | None = Field(default=None, max_length=200, pattern=r"^(/[^/]{1,64}){1,8}$")
    signature: SignatureSettings | None = None


class SourceIn(BaseModel):
    """`signing_secret` is the one the sender shows; github and standard get one made when it is left out."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    type: SourceType
    signing_secret: Secret | None = None
    settings: SourceSettings = SourceSettings()

    @model_validator(mode="after")
    def _check_secret(self) -> Self:
        if self.type in SIGNED_TYPES - MADE_SECRET_TYPES and self.signing_secret is None:
            raise ValueError(f"a {self.type} source needs the signing_secret its sender shows")
        if self.settings.signature is not None and self.type != "generic":
            raise ValueError("only a generic source takes signature settings")
        if self.signing_secret is not None and self.type not in SIGNED_TYPES | {"generic"}:
            raise ValueError(f"a {self.type} source is not signed")
        return self


class SourcePatch(BaseModel):
    """Absent fields stay. `rotate_token` makes a new token, shown once; the old one ends at once."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    is_enabled: bool | None = None
    signing_secret: Secret | None = None
    settings: SourceSettings | None = None
    rotate_token: bool = False


class SourceOut(BaseModel):
    id: UUID
    name: str
    type: SourceType
    is_enabled: bool
    is_signed: bool
    token_hint: str
    settings: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class SourceCreated(SourceOut):
    """The only answer that shows `token` and `signing_secret`; `url` is what to give to the sender."""

    token: str
    signing_secret: str | None
    url: str
