"""Any server that takes mails as JSON. Each request is signed: X-Timestamp, and X-Signature, which is
`sha256=` and the hexadecimal HMAC-SHA256 of the timestamp, a dot and the body."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from email import policy
from email.message import EmailMessage
from email.parser import Parser
from typing import Any

from campaign_service.rendering import OutgoingMail
from campaign_service.sending.outcomes import Outcome
from campaign_service.sending.refs import RecipientRefs

from .http import Answer, Request
from .model import Provider


class MessengerApi:
    """The body names the message by its Message-ID, so that the server can know a repeat."""

    def __init__(self, provider: Provider, refs: RecipientRefs) -> None:
        self._url = provider.settings["url"]
        self._key = (provider.secret or "").encode()

    def request(self, mail: OutgoingMail) -> Request:
        data = json.dumps(payload(mail), ensure_ascii=False).encode()
        moment = str(int(time.time()))
        return Request(
            self._url,
            data,
            {
                "Content-Type": "application/json",
                "X-Timestamp": moment,
                "X-Signature": signature(self._key, moment, data),
            },
        )

    def outcome(self, answer: Answer) -> Outcome | None:
        return None


def signature(key: bytes, timestamp: str, body: bytes) -> str:
    """What X-Signature holds."""
    return "sha256=" + hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def parsed(content: bytes) -> EmailMessage:
    """A rendered mail, read back. Beyond ASCII it has at most addresses, which are UTF-8 (RFC 6532)."""
    return Parser(policy=policy.default).parsestr(content.decode("utf-8", "replace"))


def part(message: EmailMessage, kind: str) -> str:
    """Its text of one kind (`html` or `plain`); '' without one."""
    found = message.get_body((kind,))
    return str(found.get_content()) if found is not None else ""


def files_of(message: EmailMessage) -> list[dict[str, Any]]:
    """Attachments and pictures: name, type, content in base64, and the Content-ID of what the HTML shows."""
    return [
        {
            "name": found.get_filename(),
            "type": found.get_content_type(),
            "content": "".join(str(found.get_payload()).split()),
            "content_id": str(found["Content-ID"]).strip("<>") if found["Content-ID"] else None,
        }
        for found in message.walk()
        if found.get_filename() is not None
    ]


def payload(mail: OutgoingMail) -> dict[str, Any]:
    """Channel, addresses, subject, both bodies, files and the headers that matter to mail readers."""
    message = parsed(mail.content)
    wanted = ("Message-ID", "Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Feedback-ID")
    return {
        "channel": "email",
        "message_id": str(message["Message-ID"]),
        "return_path": mail.sender,
        "to": mail.recipient,
        "from": str(message["From"]),
        "subject": str(message["Subject"]),
        "html": part(message, "html"),
        "text": part(message, "plain"),
        "attachments": files_of(message),
        "headers": {name: str(message[name]) for name in wanted if message[name] is not None},
    }
