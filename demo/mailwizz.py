"""Campaign webhooks as MailWizz sends them: opens and clicks."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

from demo.mail import Envelope

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def event(kind: str, mail: Envelope, campaign_uid: str, at: float, url: str | None = None) -> str:
    """The body of one webhook.

    `kind` is open or click; `at` in Unix seconds; `campaign_uid` is what MailWizz calls the campaign.
    """
    subscriber = hashlib.sha256(mail.recipient.encode()).hexdigest()[:13]
    details = {
        "type": kind,
        "ip_address": f"203.0.113.{int(subscriber, 16) % 250 + 1}",
        "user_agent": BROWSER,
        "date_added": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S"),
    }
    content = {
        "event": details | ({"url": url} if url else {}),
        "timestamp": int(at),
        "list": {"attributes": {"list_uid": "wn070n9koe4ab", "name": "Customers"}},
        "subscriber": {
            "attributes": {
                "subscriber_uid": subscriber,
                "email": mail.recipient,
                "source": "import",
                "status": "confirmed",
            },
            "fields": {"EMAIL": mail.recipient},
        },
        "campaign": {"attributes": {"campaign_uid": campaign_uid, "name": "Spring"}},
    }
    return json.dumps(content)
