"""PowerMTA's submission over HTTP (5.0 and later): `POST /api/v1/transmissions`."""

from __future__ import annotations

import json
from typing import Any

from campaign_service.rendering import OutgoingMail
from campaign_service.sending.outcomes import Outcome, Rejected
from campaign_service.sending.refs import RecipientRefs
from campaign_service.sending.replies import Reply

from .http import Answer, Request
from .model import Provider

_PATH = "/api/v1/transmissions"


class PowerMtaApi:
    """One transmission a mail, so that each has its own return path and its own answer."""

    def __init__(self, provider: Provider, refs: RecipientRefs) -> None:
        self._url = provider.settings["url"].rstrip("/") + _PATH
        self._key = provider.secret or ""
        self._refs = refs

    def request(self, mail: OutgoingMail) -> Request:
        subject = self._refs.read_address(mail.sender)
        body: dict[str, Any] = {
            "return_path": mail.sender,
            "recipients": [{"address": {"email": mail.recipient}}],
            "content": {"email_rfc822": mail.content.decode("utf-8", "surrogateescape")},
        }
        if mail.utf8:
            body["options"] = {"smtputf8": True}
        if subject is not None:
            body["campaign_id"] = str(subject.campaign_id)
        data = json.dumps(body).encode()
        return Request(self._url, data, {"Authorization": self._key, "Content-Type": "application/json"})

    def outcome(self, answer: Answer) -> Outcome | None:
        """A transmission with its only recipient refused has not been taken, though its status is 200."""
        if answer.status != 200:
            return None
        try:
            results = json.loads(answer.text)["results"]
            taken = int(results["total_accepted_recipients"])
        except (ValueError, KeyError, TypeError):
            return None
        return None if taken else Rejected(Reply(550, "5.1.3 PowerMTA refused the recipient"), "rcpt")
