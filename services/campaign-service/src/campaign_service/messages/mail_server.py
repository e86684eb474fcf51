"""Whether mails can leave: asked by other services, which never speak to the mail server themselves."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from campaign_service.sending.smtp import SmtpConnection, SmtpError, SmtpSettings, Timeouts
from campaign_service.settings import settings_of
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import RuntimeDep, ServiceCaller

internal_router = APIRouter(prefix="/internal/mail-server", tags=["internal"])

_TIMEOUTS = Timeouts(connect=3.0, greeting=3.0, command=3.0, content=3.0)


class MailServer(BaseModel):
    """`configured` is false when the address of the mail server cannot be read."""

    status: Literal["ok", "error"]
    configured: bool
    message: str


@internal_router.get("", responses=error_responses(401))
async def check_mail_server(_: ServiceCaller, rt: RuntimeDep) -> ApiResponse[MailServer]:
    """Connect, greet and sign in as a sender does; nothing is sent."""
    settings = settings_of(rt)
    try:
        server = SmtpSettings.from_url(
            settings.smtp_url.get_secret_value(), helo=settings.mail_domain, timeouts=_TIMEOUTS
        )
    except ValueError as error:
        return success_response(MailServer(status="error", configured=False, message=str(error)))
    try:
        connection = await SmtpConnection.open(server)
    except SmtpError as error:
        return success_response(MailServer(status="error", configured=True, message=str(error)))
    await connection.quit()
    where = f"{server.host}:{server.port}"
    return success_response(MailServer(status="ok", configured=True, message=f"{where} takes mails"))
