"""The forms a provider posts, and how it signs them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

SID = "AC" + "0" * 31 + "1"


def signature(token: str, url: str, form: Mapping[str, str]) -> str:
    """X-Twilio-Signature over the public address and the sorted form."""
    content = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.digest(token.encode(), content.encode(), hashlib.sha1)).decode()


def report_form(sid: str, status: str, *, to: str, sender: str, error: str | None = None) -> dict[str, str]:
    """A status callback."""
    form = {
        "MessageSid": sid,
        "SmsSid": sid,
        "MessageStatus": status,
        "SmsStatus": status,
        "AccountSid": SID,
        "From": sender,
        "To": to,
        "ApiVersion": "2010-04-01",
    }
    return form | ({"ErrorCode": error} if error else {})


def inbound_form(
    sid: str, body: str, *, sender: str, to: str, opt_out_type: str | None = None
) -> dict[str, str]:
    """A text somebody sent to one of the account's numbers."""
    form = {
        "MessageSid": sid,
        "SmsSid": sid,
        "SmsMessageSid": sid,
        "AccountSid": SID,
        "SmsStatus": "received",
        "From": sender,
        "To": to,
        "Body": body,
        "NumMedia": "0",
        "NumSegments": "1",
    }
    return form | ({"OptOutType": opt_out_type} if opt_out_type else {})


def call_form(sid: str, status: str, *, caller: str, to: str, duration: int = 0) -> dict[str, str]:
    """Where a call stands."""
    return {
        "CallSid": sid,
        "AccountSid": SID,
        "From": caller,
        "To": to,
        "CallStatus": status,
        "Direction": "inbound",
        "CallDuration": str(duration),
        "Timestamp": "Sat, 21 Nov 2026 09:30:00 +0000",
    }
