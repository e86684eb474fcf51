"""The SMTP server for mails that come back. It takes mail for our own addresses only, so it is no relay."""

from __future__ import annotations

import asyncio

from aiosmtpd.smtp import SMTP, Envelope, Session

from campaign_service.intake.service import Arrival, RefusedMailError, address_of, take
from campaign_service.settings import settings_of, site_of
from shared.utils import logger
from shared.web import Runtime

_MAX_BYTES = 1024 * 1024
_IDLE_SECONDS = 60
_TRY_LATER = "451 4.3.0 Not now; please try again"


class Intake:
    """What aiosmtpd asks at each step of a mail."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._site = site_of(runtime)
        # So that a storm of bounces leaves database connections to everybody else.
        self._turn = asyncio.Semaphore(2)

    async def handle_RCPT(  # noqa: N802  # the name aiosmtpd looks for
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if address_of(self._site, address) is None:
            return "550 5.1.1 No such address here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802  # the name aiosmtpd looks for
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Yes is said after the commit: until then the other side has the mail, and will bring it again."""
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        mail = Arrival(envelope.mail_from or "", raw, self._runtime.clock.now())
        try:
            async with self._turn:
                for recipient in envelope.rcpt_tos:
                    if address := address_of(self._site, recipient):
                        await take(self._runtime, address, mail)
        except RefusedMailError as refusal:
            return str(refusal)
        except Exception as error:  # noqa: BLE001  # whatever it was, the mail is not lost: its sender keeps it
            logger.error("a returned mail could not be taken in", error=repr(error))
            return _TRY_LATER
        return "250 2.0.0 Taken"


async def listen(runtime: Runtime, host: str, port: int) -> asyncio.Server:
    """A server that takes connections from now on."""
    intake = Intake(runtime)
    loop = asyncio.get_running_loop()

    def connection() -> SMTP:
        return SMTP(
            intake,
            data_size_limit=_MAX_BYTES,
            enable_SMTPUTF8=True,
            hostname=settings_of(runtime).mail_domain,
            ident="Tidings",
            timeout=_IDLE_SECONDS,
            loop=loop,
        )

    return await loop.create_server(connection, host, port)


async def run(runtime: Runtime, stop: asyncio.Event) -> None:
    """Listen until `stop`, where INTAKE_SMTP_PORT says so."""
    settings = settings_of(runtime)
    if not settings.intake_smtp_port:
        await stop.wait()
        return
    host = settings.intake_smtp_host or settings.host
    async with await listen(runtime, host, settings.intake_smtp_port):
        await stop.wait()
