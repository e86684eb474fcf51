"""Whole collections, compared with what the portal was made of."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from campaign_service.netlife.collector import collect
from campaign_service.netlife.config import Performance
from campaign_service.netlife.contacts import to_csv
from campaign_service.netlife.errors import PortalRefusedError
from campaign_service.netlife.model import Collection, CollectOptions
from shared.utils.logging import configure_logging
from tests.simulators.netlife import (
    Faults,
    Script,
    Shapes,
    Simulator,
    expected_rows,
    expected_statistics,
    make_portal,
)
from tests.simulators.netlife.shapes import Envelope

from .portal_kit import portal_client, read_csv, small_portal


async def collected(simulator: Simulator, **options: Any) -> tuple[Collection, dict[str, Any]]:
    async with portal_client(simulator) as (_, client, _):
        found = await collect(client, CollectOptions(**options))
        return found, client.get_stats_summary()


def portable(csv_text: str, simulator: Simulator) -> str:
    """Without the port, which every start of the simulator chooses anew."""
    return csv_text.replace(simulator.address, "https://portal.test")


async def test_three_thousand_subjects_come_out_the_same_with_faults_and_without() -> None:
    portal = make_portal(3, jobs=10, subjects=3000)
    texts = []
    for faults in (Faults(), Faults(rate=0.02, slow_seconds=0.2)):
        simulator = Simulator(portal, faults=faults)
        found, stats = await collected(simulator)
        assert found.is_complete
        texts.append(portable(to_csv(found.contacts), simulator))
        expected = expected_statistics(portal)
        assert {name: stats[name] for name in expected} == expected
        assert stats["api_calls_total"] == len(simulator.requests)
        # A slow answer is one all the same.
        assert stats["api_calls_failed"] == simulator.served.total() - simulator.served["slow"]
        assert 5 < simulator.peak <= 10
    assert set(simulator.served) == set(faults.kinds)
    assert simulator.served.total() > 30
    assert texts[0] == texts[1]
    assert read_csv(texts[0]) == expected_rows(portal, "https://portal.test")
    assert len(read_csv(texts[0])) > 2000


@pytest.mark.parametrize("envelope", ["data", "results", "bare"])
async def test_every_envelope_gives_the_same_collection(envelope: Envelope) -> None:
    simulator = small_portal(shapes=Shapes(envelope, page_size=7))
    found, _ = await collected(simulator)
    assert read_csv(to_csv(found.contacts)) == expected_rows(simulator.portal, simulator.address)


async def test_buyers_are_told_from_others() -> None:
    simulator = small_portal()
    buyers, _ = await collected(simulator, audience="buyers")
    others, _ = await collected(simulator, audience="non-buyers")
    assert {c.buyer for c in buyers.contacts} == {"Yes"}
    assert {c.buyer for c in others.contacts} == {"No"}
    bought = {s.uuid: s.is_buyer for s in simulator.portal.subjects}
    assert all(bought[c.subject_uuid] for c in buyers.contacts)
    both, _ = await collected(simulator)
    assert len(both.contacts) == len(buyers.contacts) + len(others.contacts)


async def test_contacts_are_filtered_by_what_they_have() -> None:
    simulator = small_portal()
    every = read_csv(to_csv((await collected(simulator))[0].contacts))
    phones = read_csv(to_csv((await collected(simulator, contact_filter="phone-only"))[0].contacts))
    emails = read_csv(to_csv((await collected(simulator, contact_filter="email-only"))[0].contacts))
    assert _ids(phones) == _ids([row for row in every if row["phone_number"]])
    assert _ids(emails) == _ids([row for row in every if row["email"]])
    assert len(phones) < len(every)
    assert len(emails) < len(every)


def _ids(rows: list[dict[str, str]]) -> list[str]:
    return [row["subject_uuid"] for row in rows]


async def test_only_registered_users_are_left_when_asked_for() -> None:
    found, _ = await collected(small_portal(), registered_only=True)
    assert {(c.registered_user, c.priority) for c in found.contacts} == {("Yes", 1)}
    assert found.skipped["not_registered"] > 0


async def test_subjects_without_pictures_are_collected_when_asked_for() -> None:
    simulator = small_portal()
    strict, _ = await collected(simulator)
    loose, _ = await collected(simulator, images_required=False)
    assert len(loose.contacts) > len(strict.contacts)
    assert strict.skipped["no_images"] > 0
    assert "no_images" not in loose.skipped


async def test_only_the_wanted_jobs_are_read() -> None:
    simulator = small_portal()
    wanted = simulator.portal.jobs[1]
    found, stats = await collected(simulator, jobs=frozenset({wanted.uuid}))
    assert {c.job_uuid for c in found.contacts} == {wanted.uuid}
    assert stats["jobs_processed"] == 1
    assert simulator.count(simulator.portal.jobs[0].uuid) == 0


async def test_rows_are_one_an_activity_and_subject() -> None:
    simulator = small_portal()
    jobs = simulator.portal.jobs
    # Lists that shift while they are read, and a subject that is in two jobs.
    doubled = replace(jobs[0], subjects=(*jobs[0].subjects, *jobs[0].subjects[:5]))
    simulator.portal.jobs = (doubled, *jobs[1:])
    found, stats = await collected(simulator)
    pairs = Counter((c.activity_uuid, c.subject_uuid) for c in found.contacts)
    assert set(pairs.values()) == {1}
    assert stats["subjects_total"] == len({s.uuid for s in simulator.portal.subjects})


async def test_figures_count_subjects_not_rows() -> None:
    simulator = small_portal()
    found, stats = await collected(simulator)
    assert len(found.contacts) > len({c.subject_uuid for c in found.contacts})
    expected = expected_statistics(simulator.portal)
    assert {name: stats[name] for name in expected} == expected


async def test_a_portal_without_lists_of_users_is_asked_subject_by_subject() -> None:
    simulator = small_portal(has_job_users=False)
    found, stats = await collected(simulator)
    assert read_csv(to_csv(found.contacts)) == expected_rows(simulator.portal, simulator.address)
    assert stats["registered_users_checked"] == len(simulator.portal.subjects)


async def test_a_job_that_fails_is_said_and_the_others_are_there() -> None:
    simulator = small_portal()
    bad, good = simulator.portal.jobs
    simulator.faults = Faults(scripts=(Script(f"jobs/{bad.uuid}/subjects", "500", times=0),))
    found, stats = await collected(simulator)
    assert not found.is_complete
    assert len(found.failures) == 1
    assert "500, after 3 attempts" in found.failures[0]
    assert stats["errors"] == found.failures
    assert stats["jobs_processed"] == 1
    assert {c.job_uuid for c in found.contacts} == {good.uuid}


async def test_a_subject_that_fails_is_said_and_the_others_are_there() -> None:
    simulator = small_portal()
    whole, _ = await collected(simulator)
    lost = whole.contacts[0].subject_uuid
    simulator.faults = Faults(scripts=(Script(f"subjects/{lost}/", "503", times=0),))
    found, _ = await collected(simulator)
    assert len(found.failures) == 1
    assert _subjects(found) == [uuid for uuid in _subjects(whole) if uuid != lost]


def _subjects(found: Collection) -> list[str]:
    return [contact.subject_uuid for contact in found.contacts]


async def test_credentials_that_are_refused_half_way_end_the_collection() -> None:
    simulator = small_portal(latency=0.01)
    async with portal_client(simulator) as (_, client, _):

        async def change_password(done: int, total: int) -> None:
            simulator.portal.password = "another"

        client.performance = Performance(max_concurrent_jobs=1)
        with pytest.raises(PortalRefusedError):
            await collect(client, CollectOptions(), change_password)
        assert simulator.count(simulator.portal.jobs[1].uuid) <= 5


async def test_progress_counts_the_jobs_and_may_stop_it() -> None:
    simulator = small_portal()
    seen = []

    class StopError(Exception):
        pass

    async def show(done: int, total: int) -> None:
        seen.append((done, total))
        raise StopError

    async with portal_client(simulator) as (_, client, _):
        with pytest.raises(StopError):
            await collect(client, CollectOptions(), show)
        settled = len(simulator.requests)
        await asyncio.sleep(0.05)
        assert len(simulator.requests) <= settled + 1
    assert seen[0] == (0, 2)


async def test_fewer_requests_at_once_when_so_configured() -> None:
    simulator = small_portal(latency=0.005)
    async with portal_client(simulator, performance=Performance(max_concurrent_jobs=3)) as (_, client, _):
        await collect(client, CollectOptions())
    assert simulator.peak == 3


async def test_logs_tell_nothing_about_anybody(capsys: pytest.CaptureFixture[str]) -> None:
    simulator = small_portal()
    bad = simulator.portal.jobs[0]
    simulator.faults = Faults(
        rate=0.3, scripts=(Script(f"jobs/{bad.uuid}/users", "500", times=0),), kinds=("500", "truncated")
    )
    configure_logging("debug")
    try:
        async with portal_client(simulator) as (_, client, _):
            await collect(client, CollectOptions())
            client.log_final_stats()
    finally:
        with capsys.disabled():
            configure_logging("error")
    said = "".join(capsys.readouterr())
    assert "portal request will be repeated" in said
    assert "portal data is missing" in said
    assert '"event":"portal statistics"' in said
    assert [secret for secret in _secrets(simulator) if secret in said] == []


def _secrets(simulator: Simulator) -> set[str]:
    portal = simulator.portal
    people = [user.person for user in portal.users.values()]
    people += [person for s in portal.subjects for person in s.deliveries if person]
    found = {portal.username, portal.password, *(job.uuid for job in portal.jobs)}
    found |= {text for s in portal.subjects for text in (s.uuid, s.first_name, s.access_key or s.uuid)}
    found |= {text for person in people for text in (person.name, person.email.lower())}
    return found | {person.phone.raw for person in people if person.phone}
