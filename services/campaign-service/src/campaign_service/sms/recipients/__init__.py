"""The frozen audience of a campaign by SMS."""

from campaign_service.sms.recipients.repository import (
    add_event,
    claim,
    detail_of,
    freeze,
    move,
    release,
    skip,
)

__all__ = ["add_event", "claim", "detail_of", "freeze", "move", "release", "skip"]
