"""MailWizz's transactional mails: `POST /transactional-emails`."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from email.utils import parseaddr

from campaign_service.rendering import OutgoingMail
from campaign_service.sending.outcomes import Ambiguous, Outcome
from campaign_service.sending.refs import RecipientRefs

from .http import Answer, Request, form
from .messenger import files_of, parsed, part
from .model import Provider


class MailWizzApi:
    """One form a mail, the key in `X-Api-Key`."""

    def __init__(self, provider: Provider, refs: RecipientRefs) -> None:
        self._url = provider.settings["url"].rstrip("/") + "/transactional-emails"
        self._key = provider.secret or ""

    def request(self, mail: OutgoingMail) -> Request:
        message = parsed(mail.content)
        to_name, to_email = parseaddr(str(message["To"]))
        from_name, from_email = parseaddr(str(message["From"]))
        reply_name, reply_email = parseaddr(str(message["Reply-To"] or ""))
        email = {
            "to_name": to_name or to_email,
            "to_email": mail.recipient,
            "from_name": from_name or from_email,
            "from_email": from_email,
            "reply_to_name": reply_name or None,
            "reply_to_email": reply_email or None,
            "subject": str(message["Subject"]),
            "body": _b64(part(message, "html") or part(message, "plain")),
            "plain_text": _b64(part(message, "plain")),
            "attachments": {
                number: {"name": file["name"], "type": file["type"], "data": file["content"]}
                for number, file in enumerate(files_of(message))
            },
            "send_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        }
        return Request(self._url, form({"email": email}), {"X-Api-Key": self._key})

    def outcome(self, answer: Answer) -> Outcome | None:
        """A 2xx is only good when MailWizz says `success` too."""
        if answer.status // 100 != 2:
            return None
        try:
            is_success = json.loads(answer.text).get("status") == "success"
        except (ValueError, AttributeError):
            is_success = False
        return None if is_success else Ambiguous(f"MailWizz answered {answer.text[:200]}")


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
