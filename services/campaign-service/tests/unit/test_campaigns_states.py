"""What may be done with a campaign, over every status and action."""

from __future__ import annotations

from typing import get_args

import pytest

from campaign_service.campaigns.states import STATUSES, Action, CampaignStateError, Status, next_status

EXPECTED: dict[tuple[Status, Action], Status] = {
    ("draft", "edit"): "draft",
    ("draft", "delete"): "draft",
    ("draft", "schedule"): "scheduled",
    ("draft", "send"): "sending",
    ("draft", "cancel"): "cancelled",
    ("scheduled", "edit"): "scheduled",
    ("scheduled", "delete"): "scheduled",
    ("scheduled", "schedule"): "scheduled",
    ("scheduled", "unschedule"): "draft",
    ("scheduled", "send"): "sending",
    ("scheduled", "cancel"): "cancelled",
    ("sending", "pause"): "paused",
    ("sending", "cancel"): "cancelled",
    ("paused", "resume"): "sending",
    ("paused", "cancel"): "cancelled",
    ("sent", "retry"): "sending",
    ("partially_failed", "retry"): "sending",
    ("cancelled", "delete"): "cancelled",
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("action", get_args(Action))
def test_every_status_and_action(status: Status, action: Action) -> None:
    expected = EXPECTED.get((status, action))
    if expected is not None:
        assert next_status(status, action) == expected
        return
    with pytest.raises(CampaignStateError) as caught:
        next_status(status, action)
    assert caught.value.status == 409
    assert caught.value.details is not None
    assert caught.value.details["status"] == status
