"""From an attempt to a recipient's state, and whose turn it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from campaign_service.rendering import Recipient
from campaign_service.sending.feeding import in_turns
from campaign_service.sending.model import CampaignKey, Claimed, Limits, RecordedState
from campaign_service.sending.outcomes import Accepted, Ambiguous, NotSent, Outcome, Rejected
from campaign_service.sending.recording import result_of
from campaign_service.sending.replies import Reply

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
LIMITS = Limits(retry_base=60.0, max_attempts=5)


def claimed(attempts: int = 0) -> Claimed:
    return Claimed(Recipient(UUID(int=3), "anna@example.com"), attempts)


@pytest.mark.parametrize(
    ("outcome", "state", "code"),
    [
        (Accepted(Reply(250, "2.0.0 queued")), "accepted", "2.0.0"),
        (Rejected(Reply(550, "5.1.1 unknown"), "rcpt"), "bounced_hard", "5.1.1"),
        (Rejected(Reply(552, "5.2.2 full"), "rcpt"), "bounced_soft", "5.2.2"),
        (Rejected(Reply(554, "no"), "content"), "failed", "554"),
        (Rejected(Reply(451, "4.3.0 later"), "rcpt"), "failed_retry", "4.3.0"),
        (NotSent("connection lost", tried=True), "failed_retry", "connection"),
        (NotSent("not its turn", tried=False), "queued", None),
        (Ambiguous("no answer"), "ambiguous", "no_answer"),
    ],
)
def test_each_outcome_has_its_state(outcome: Outcome, state: RecordedState, code: str | None) -> None:
    result = result_of(claimed(), UUID(int=9), outcome, LIMITS, NOW)
    assert (result.state, result.code) == (state, code)
    assert result.counts_attempt is (state != "queued")


def test_retries_wait_twice_as_long_each_time_and_end() -> None:
    later = Rejected(Reply(451, "later"), "rcpt")
    results = [result_of(claimed(n), UUID(int=9), later, LIMITS, NOW) for n in range(5)]
    assert [r.state for r in results] == ["failed_retry"] * 4 + ["failed"]
    for number, result in enumerate(results[:4]):
        assert result.next_attempt_at is not None
        wait = (result.next_attempt_at - NOW) / timedelta(seconds=60)
        assert 0.89 * 2**number < wait < 1.11 * 2**number


def test_tenants_take_turns() -> None:
    a, b = UUID(int=1), UUID(int=2)
    keys = [CampaignKey(a, UUID(int=n)) for n in (10, 11, 12)] + [CampaignKey(b, UUID(int=20))]
    ordered = [(key.tenant_id.int, key.campaign_id.int) for key in in_turns(keys)]
    assert ordered == [(1, 10), (2, 20), (1, 11), (1, 12)]
    assert in_turns(keys, 1)[0].tenant_id == b
    assert in_turns([]) == []
