"""The SMTP writer against a real server that misbehaves on demand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from campaign_service.rendering import OutgoingMail
from campaign_service.sending.outcomes import Accepted, Ambiguous, NotSent, Outcome, Rejected
from campaign_service.sending.smtp import SmtpConnection, SmtpError, SmtpSettings, Timeouts
from tests.simulators.processes import RunningSink, smtp_sink
from tests.simulators.smtp_sink import Fault

QUICK = Timeouts(connect=10, greeting=10, command=2.0, content=2.0)
PATIENT = Timeouts(connect=60, greeting=60, command=60, content=60)


def mails(*names: str, content: bytes = b"Subject: x\r\n\r\nhello\r\n") -> list[OutgoingMail]:
    return [OutgoingMail(f"b-{name}@m.example.com", f"{name}@example.com", content) for name in names]


async def sent(
    sink: RunningSink,
    wanted: Sequence[OutgoingMail],
    *,
    pipelining: bool = True,
    timeouts: Timeouts = QUICK,
) -> list[Outcome]:
    settings = SmtpSettings("127.0.0.1", sink.port, timeouts=timeouts, pipelining=pipelining)
    connection = await SmtpConnection.open(settings)
    outcomes = await connection.send(wanted)
    await connection.quit()
    return outcomes


def recipients(sink: RunningSink) -> list[str]:
    return [message["recipient"].partition("@")[0] for message in sink.messages()]


@pytest.mark.parametrize("pipelining", [True, False])
async def test_mails_arrive_in_order_and_unchanged(tmp_path: Path, pipelining: bool) -> None:
    content = b"Subject: dots\r\n\r\n.\r\n..two\r\nend."
    with smtp_sink(tmp_path, pipelining=pipelining) as sink:
        outcomes = await sent(sink, mails("a", "b", "c", content=content))
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert recipients(sink) == ["a", "b", "c"]
        assert {message["content"] for message in sink.messages()} == {content.decode() + "\r\n"}


@pytest.mark.parametrize("pipelining", [True, False])
async def test_a_refusal_touches_only_its_own_mail(tmp_path: Path, pipelining: bool) -> None:
    faults = [
        Fault("^b@", "rcpt", reply="550 5.1.1 unknown"),
        Fault("^c@", "rcpt", reply="451 4.7.1 later"),
        Fault("^d@", "data", reply="452 4.3.1 no room"),
        Fault("^e@", "content", reply="554 5.6.0 bad"),
    ]
    with smtp_sink(tmp_path, *faults) as sink:
        outcomes = await sent(sink, mails("a", "b", "c", "d", "e", "f"), pipelining=pipelining)
        kinds = [o.kind if isinstance(o, Rejected) else type(o).__name__ for o in outcomes]
        assert kinds == ["Accepted", "user_unknown", "retry", "retry", "policy", "Accepted"]
        assert recipients(sink) == ["a", "f"]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("stage", ["rcpt", "data"])
async def test_a_connection_lost_before_the_content_leaves_the_mail_unsent(
    tmp_path: Path, stage: str, pipelining: bool
) -> None:
    with smtp_sink(tmp_path, Fault("^b@", stage, "drop")) as sink:  # type: ignore[arg-type]
        outcomes = await sent(sink, mails("a", "b", "c"), pipelining=pipelining)
        assert isinstance(outcomes[0], Accepted)
        assert [o.tried for o in outcomes[1:] if isinstance(o, NotSent)] == [True, False]
        assert recipients(sink) == ["a"]


@pytest.mark.parametrize("action", ["take_and_drop", "take_and_stall", "drop", "stall"])
async def test_silence_after_the_final_dot_is_ambiguous(tmp_path: Path, action: str) -> None:
    with smtp_sink(tmp_path, Fault("^b@", "content", action)) as sink:  # type: ignore[arg-type]
        outcomes = await sent(sink, mails("a", "b", "c"))
        assert [type(outcome) for outcome in outcomes] == [Accepted, Ambiguous, NotSent]
        assert isinstance(outcomes[2], NotSent)
        assert not outcomes[2].tried
        assert recipients(sink) == (["a", "b"] if action.startswith("take") else ["a"])


async def test_a_stall_before_the_content_is_safe_to_repeat(tmp_path: Path) -> None:
    with smtp_sink(tmp_path, Fault("^b@", "rcpt", "stall")) as sink:
        outcomes = await sent(sink, mails("a", "b"))
        assert isinstance(outcomes[1], NotSent)
        assert outcomes[1].tried
        assert "in time" in outcomes[1].reason


async def test_421_for_too_many_mails_blames_no_recipient(tmp_path: Path) -> None:
    with smtp_sink(tmp_path, cap=2) as sink:
        outcomes = await sent(sink, mails("a", "b", "c", "d"))
        assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted, NotSent, NotSent]
        assert [o.tried for o in outcomes[2:] if isinstance(o, NotSent)] == [False, False]


async def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SmtpError, match="cannot connect"):
        await SmtpConnection.open(SmtpSettings("127.0.0.1", 1, timeouts=QUICK))


async def test_large_contents_wait_for_a_slow_server(tmp_path: Path) -> None:
    content = b"Subject: big\r\n\r\n" + (b"x" * 70 + b"\r\n") * 40_000
    with smtp_sink(tmp_path) as sink:
        outcomes = await sent(sink, mails("a", "b", content=content), timeouts=PATIENT)
        assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted]
        assert recipients(sink) == ["a", "b"]


async def test_starttls_is_never_silently_skipped(tmp_path: Path) -> None:
    with smtp_sink(tmp_path) as sink:
        settings = SmtpSettings("127.0.0.1", sink.port, security="starttls", timeouts=QUICK)
        with pytest.raises(SmtpError, match="STARTTLS"):
            await SmtpConnection.open(settings)
        settings = SmtpSettings("127.0.0.1", sink.port, username="u", password="p", timeouts=QUICK)
        with pytest.raises(SmtpError, match="AUTH"):
            await SmtpConnection.open(settings)


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("offered", [True, False])
async def test_addresses_beyond_ascii_go_where_smtputf8_is_offered_and_fail_for_good_elsewhere(
    tmp_path: Path, offered: bool, pipelining: bool
) -> None:
    zoe = OutgoingMail(
        "b-z@m.example.com", "zoé@example.com", "To: zoé@example.com\r\n\r\nx\r\n".encode(), True
    )
    wanted = [zoe, *mails("a"), zoe, zoe, *mails("b")]
    with smtp_sink(tmp_path, utf8=offered) as sink:
        outcomes = await sent(sink, wanted, pipelining=pipelining)
        kinds = [outcome.kind if isinstance(outcome, Rejected) else "accepted" for outcome in outcomes]
        other = "accepted" if offered else "policy"
        assert kinds == [other, "accepted", other, other, "accepted"]
        assert recipients(sink) == (["zoé", "a", "zoé", "zoé", "b"] if offered else ["a", "b"])
        refused = {o.reply.enhanced for o in outcomes if isinstance(o, Rejected)}
        assert refused == (set() if offered else {"5.6.7"})
