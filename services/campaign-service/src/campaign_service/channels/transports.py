"""Connections to providers, dressed for each: what a mail's envelope and headers have to say there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import cast

from campaign_service.rendering import OutgoingMail
from campaign_service.sending.outcomes import Outcome
from campaign_service.sending.outlets import Connection
from campaign_service.sending.refs import RecipientRefs
from campaign_service.sending.smtp import Security, SmtpConnection, SmtpError, SmtpSettings, Timeouts
from campaign_service.settings import settings_of, site_of
from shared.web import Runtime

from .addresses import public_address
from .http import Api, HttpConnection
from .messenger import MessengerApi
from .model import Provider
from .powermta import PowerMtaApi
from .transactional import MailWizzApi

Dress = Callable[[OutgoingMail], OutgoingMail]
TIMEOUTS = Timeouts(connect=10.0, greeting=20.0, command=30.0, content=120.0)
_APIS: dict[str, type[PowerMtaApi] | type[MessengerApi] | type[MailWizzApi]] = {
    "powermta-http": PowerMtaApi,
    "messenger": MessengerApi,
    "mailwizz": MailWizzApi,
}


class Dressed:
    """A provider's connection."""

    def __init__(self, provider: Provider, inner: Connection, dress: Dress) -> None:
        self.provider = provider
        self._inner = inner
        self._dress = dress

    @property
    def sent(self) -> int:
        return self._inner.sent

    @sent.setter
    def sent(self, number: int) -> None:
        self._inner.sent = number

    @property
    def usable(self) -> bool:
        return self._inner.usable

    @property
    def trouble(self) -> str:
        """Why it is of no use any more."""
        return str(getattr(self._inner, "trouble", "") or "the connection was lost")

    async def stream(self, mails: Iterator[OutgoingMail]) -> AsyncIterator[Outcome]:
        async with aclosing(self._inner.stream(map(self._dress, mails))) as outcomes:  # type: ignore[type-var]
            async for outcome in outcomes:
                yield outcome

    async def quit(self) -> None:
        await self._inner.quit()


def dress_of(provider: Provider, refs: RecipientRefs) -> Dress:
    """Return path of the provider's own domain, and the headers that PowerMTA takes out again."""
    domain, pool = provider.settings.get("verp_domain"), provider.settings.get("virtual_mta")
    job = bool(provider.settings.get("job_header"))
    if not domain and not pool and not job:
        return lambda mail: mail

    def dressed(mail: OutgoingMail) -> OutgoingMail:
        local, _, own = mail.sender.rpartition("@")
        subject = refs.read_address(mail.sender) if job else None
        head = f"x-virtual-mta: {pool}\r\n" if pool else ""
        head += f"x-job: {subject.campaign_id}\r\n" if subject else ""
        return replace(mail, sender=f"{local}@{domain or own}", content=head.encode() + mail.content)

    return dressed


async def open_provider(runtime: Runtime, provider: Provider) -> Dressed:
    """Raises SmtpError when the provider cannot be reached or does not let us in."""
    inner = await _smtp(runtime, provider) if provider.kind == "smtp" else _http(runtime, provider)
    return Dressed(provider, inner, dress_of(provider, site_of(runtime).refs))


async def _smtp(runtime: Runtime, provider: Provider) -> Connection:
    settings, ours = provider.settings, settings_of(runtime)
    host, port = settings["host"], settings["port"]
    try:
        async with asyncio.timeout(TIMEOUTS.connect):
            address = await public_address(host, port, ours.provider_private_hosts)
    except (OSError, TimeoutError) as error:
        raise SmtpError(f"cannot connect: {error or 'no answer in time'}") from error
    server = SmtpSettings(
        host=host,
        port=port,
        security=cast(Security, settings["security"]),
        username=settings.get("username"),
        password=provider.secret,
        helo=ours.mail_domain,
        timeouts=TIMEOUTS,
        address=address,
    )
    return await SmtpConnection.open(server)


def _http(runtime: Runtime, provider: Provider) -> Connection:
    api: Api = _APIS[provider.kind](provider, site_of(runtime).refs)
    return HttpConnection(api, settings_of(runtime).provider_private_hosts)
