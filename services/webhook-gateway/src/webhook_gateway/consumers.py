"""Events the gateway listens to."""

from __future__ import annotations

from shared.events import Consumer
from webhook_gateway.history.failures import record_failure
from webhook_gateway.identity.revoked import record_revocation

CONSUMERS = (
    Consumer(name="revoked-sessions", types=("auth.session.revoked.v1",), handler=record_revocation),
    Consumer(name="failed-webhooks", types=("webhook.processing.failed.v1",), handler=record_failure),
)
