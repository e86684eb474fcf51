"""The addresses an installation puts into mails."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from campaign_service.sending import refs, tokens
from shared.errors import ConfigurationError
from shared.utils.crypto import derive_key

_PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9.:_~/\[\]-]+")


@dataclass(frozen=True, slots=True)
class Site:
    """`public_url` without a slash at its end; `mail_domain` for Message-IDs and bounce addresses."""

    public_url: str
    mail_domain: str
    tokens: tokens.TrackingTokens
    refs: refs.RecipientRefs

    @classmethod
    def from_secret(cls, secret: str, *, public_url: str, mail_domain: str) -> Self:
        """Keys derived from the installation secret, so that every process agrees on them."""
        public_url = public_url.rstrip("/")
        if not _PUBLIC_URL.fullmatch(public_url):
            raise ConfigurationError("PUBLIC_URL must be http(s)://host[:port][/path]", field="PUBLIC_URL")
        return cls(
            public_url,
            mail_domain,
            tokens.TrackingTokens(derive_key(secret, tokens.KEY_PURPOSE)),
            refs.RecipientRefs(derive_key(secret, refs.KEY_PURPOSE)),
        )

    def token(self, tenant_id: UUID, campaign_id: UUID, contact_id: UUID) -> str:
        return self.tokens.make(tenant_id, campaign_id, contact_id)

    def unsubscribe_url(self, token: str) -> str:
        return f"{self.public_url}/t/u/{token}"
