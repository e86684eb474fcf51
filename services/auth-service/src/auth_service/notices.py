"""Events and mails of auth-service. All leave through the outbox of the transaction they are given."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from auth_service.context import AuthContext
from auth_service.users.repository import Member
from shared.database import Tx
from shared.events import new_event
from shared.events.catalog import MessageRequested, Recipient, SessionRevoked
from shared.utils.tokens import LEEWAY_SECONDS


async def send_mail(
    tx: Tx, auth: AuthContext, member: Member, template: str, *, key: str, path: str = "", token: str = ""
) -> None:
    """Ask campaign-service for a mail. The token stands in the fragment, which no server ever logs."""
    url = f"{auth.settings.public_url}{path}" + (f"#token={token}" if token else "")
    message = MessageRequested(
        template=template,
        recipient=Recipient(email=member.email, name=member.name or None, language=member.language),
        variables={"url": url, "name": member.name or member.email},
        idempotency_key=key,
    )
    await auth.events.publish(
        tx, new_event("message.requested.v1", message, tenant_id=member.tenant_id, subject=str(member.id))
    )


async def session_revoked(
    tx: Tx, auth: AuthContext, tenant_id: UUID, session_id: UUID, user_id: UUID | None, reason: str
) -> None:
    """Tell every service to refuse the session's access tokens until the last of them has expired."""
    fact = SessionRevoked(
        session_id=session_id, expires_at=last_expiry(auth, auth.now()), user_id=user_id, reason=reason
    )
    await auth.events.publish(
        tx, new_event("auth.session.revoked.v1", fact, tenant_id=tenant_id, subject=str(session_id))
    )


def last_expiry(auth: AuthContext, now: datetime) -> datetime:
    longest = max(auth.settings.jwt_expires_in, auth.settings.api_key_token)
    return now + timedelta(seconds=longest + LEEWAY_SECONDS)
