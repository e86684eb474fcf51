"""Signed mails, of a campaign or single ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from campaign_service.rendering import Mails, OutgoingMail, Recipient
from shared.database import Tx
from shared.web import Runtime

from .service import ascii_domain, signer_for


class SignedMails:
    """Like the campaign it is made of, each mail signed."""

    def __init__(self, plain: Mails, sign: Callable[[bytes], bytes]) -> None:
        self._plain = plain
        self._sign = sign

    def mail(self, recipient: Recipient) -> OutgoingMail:
        """Raises RenderError when this recipient's mail cannot be made."""
        mail = self._plain.mail(recipient)
        return replace(mail, content=self._sign(mail.content))


async def signed(tx: Tx, rt: Runtime, from_email: str, plain: Mails) -> Mails:
    """`plain` itself when its sender's domain has no key to sign with."""
    sign = await _signer(tx, rt, from_email)
    return plain if sign is None else SignedMails(plain, sign)


async def signed_mail(tx: Tx, rt: Runtime, from_email: str, mail: OutgoingMail) -> OutgoingMail:
    """One mail, as `signed` does it."""
    sign = await _signer(tx, rt, from_email)
    if sign is None:
        return mail
    # a mail with large files takes some tenths of a second
    return replace(mail, content=await asyncio.to_thread(sign, mail.content))


async def _signer(tx: Tx, rt: Runtime, from_email: str) -> Callable[[bytes], bytes] | None:
    return await signer_for(tx, rt, ascii_domain(from_email.rpartition("@")[2]))
