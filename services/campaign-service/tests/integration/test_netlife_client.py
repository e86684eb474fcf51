"""The portal client against a portal that answers in every shape and fails in every way."""

import asyncio
import datetime
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from campaign_service.netlife.client import NetlifeAPIClient
from campaign_service.netlife.config import Performance
from campaign_service.netlife.errors import PortalContractError, PortalRefusedError, PortalUnavailableError
from tests.simulators.netlife import Faults, Script, Shapes, Simulator, make_portal, running
from tests.simulators.netlife.faults import Kind
from tests.simulators.netlife.shapes import Envelope, NextForm

from .portal_kit import portal_client, small_portal


@pytest.mark.parametrize("envelope", ["data", "results", "bare"])
@pytest.mark.parametrize("next_form", ["absolute", "from_origin", "from_base"])
async def test_lists_are_read_to_their_last_page(envelope: Envelope, next_form: NextForm) -> None:
    async with portal_client(small_portal(shapes=Shapes(envelope, next_form, page_size=3))) as (
        simulator,
        client,
        _,
    ):
        activities = await client.get_activities_in_webshop()
        assert [a["uuid"] for a in activities] == _webshop(simulator)
        for job in simulator.portal.jobs:
            every = await client.get_job_subjects(job.uuid)
            assert [row["uuid"] for row in every] == [subject.uuid for subject in job.subjects]
            users = await client.get_job_registered_users_map(job.uuid)
            assert users == {
                s.uuid: {"userUuid": s.user.uuid, "email": _address(s.user.person.email)}
                for s in job.subjects
                if s.user
            }


def _webshop(simulator: Simulator) -> list[str]:
    jobs = simulator.portal.jobs
    depth = max(len(job.in_shop) for job in jobs)
    return [job.in_shop[n].uuid for n in range(depth) for job in jobs if n < len(job.in_shop)]


def _address(email: str) -> str:
    return email.lower() if "@" in email else ""


async def test_buyers_and_others_are_fetched_at_the_same_time_and_counted_once() -> None:
    async with portal_client(small_portal(latency=0.05)) as (simulator, client, _):
        job = simulator.portal.jobs[0]
        await asyncio.gather(*(client.get_buyers_and_non_buyers(job.uuid) for _ in range(3)))
        buyers, others = await client.get_buyers_and_non_buyers(job.uuid)
        assert simulator.peak == 2
        assert len(simulator.requests) == 2
        assert {row["uuid"] for row in buyers} == {s.uuid for s in job.subjects if s.is_buyer}
        assert {row["uuid"] for row in others} == {s.uuid for s in job.subjects if not s.is_buyer}
        stats = client.get_stats_summary()
        assert stats["subjects_buyers"] == len(buyers) > 0
        assert stats["subjects_total"] == len(job.subjects)


async def test_registered_users_of_a_subject_are_found() -> None:
    async with portal_client(small_portal()) as (simulator, client, _):
        job = simulator.portal.jobs[0]
        with_user = next(s for s in job.subjects if s.user)
        without = next(s for s in job.subjects if not s.user)
        assert with_user.user is not None
        (row,) = await client.get_registered_users(job.uuid, with_user.uuid)
        assert with_user.user.uuid in row.values()
        assert await client.get_registered_users(job.uuid, without.uuid) == []
        stats = client.get_stats_summary()
        assert (stats["registered_users_checked"], stats["registered_users_found"]) == (2, 1)


async def test_details_of_users_and_jobs_are_asked_for_once() -> None:
    async with portal_client(small_portal(latency=0.02)) as (simulator, client, _):
        user = next(iter(simulator.portal.users.values()))
        job = simulator.portal.jobs[0]
        first, second = await asyncio.gather(
            client.get_user_details(user.uuid), client.get_user_details(user.uuid)
        )
        assert first is second
        assert first
        assert first["name"] == user.person.name
        details = await client.get_job_details(job.uuid)
        assert await client.get_job_details(job.uuid) is details
        assert len(simulator.requests) == 2
        assert await client.get_user_details("nobody") is None


@pytest.mark.parametrize("path", ["accesskeys", "access_keys"])
async def test_access_keys_are_read_under_either_path_and_never_made(path: Any) -> None:
    simulator = small_portal(access_key_path=path)
    async with portal_client(simulator, access_key_path=path) as (simulator, client, _):
        job = simulator.portal.jobs[0]
        keys = {s.uuid: await client.get_or_create_access_key(job.uuid, s.uuid) for s in job.subjects}
        assert keys == {s.uuid: s.access_key for s in job.subjects}
        missing = list(keys.values()).count(None)
        stats = client.get_stats_summary()
        assert stats["access_keys_existing"] == len(keys) - missing
        assert (stats["access_keys_failed"], stats["access_keys_created"]) == (missing, 0)
        assert not [line for line in simulator.requests if not line.startswith("GET ")]


async def test_a_missing_key_is_no_failure_where_there_are_no_pictures() -> None:
    async with portal_client(small_portal()) as (simulator, client, _):
        job = simulator.portal.jobs[0]
        assert await client.get_or_create_access_key(job.uuid, "nobody", "Kim", has_images=False) is None
        assert client.get_stats_summary()["access_keys_failed"] == 0


@pytest.mark.parametrize("kind", ["429", "500", "503", "truncated", "drop", "page"])
async def test_a_request_that_fails_twice_succeeds(kind: Kind) -> None:
    faults = Faults(scripts=(Script("activities", kind, times=2),))
    async with portal_client(small_portal(faults=faults)) as (simulator, client, _):
        assert len(await client.get_activities_in_webshop()) == len(_webshop(simulator))
        stats = client.get_stats_summary()
        assert (stats["api_calls_total"], stats["api_calls_failed"]) == (3, 2)


async def test_a_portal_that_stays_down_is_given_up_after_three_attempts() -> None:
    faults = Faults(scripts=(Script("activities", "503", times=0),))
    async with portal_client(small_portal(faults=faults)) as (simulator, client, naps):
        with pytest.raises(PortalUnavailableError, match="503, after 3 attempts"):
            await client.get_activities_in_webshop()
        assert len(simulator.requests) == 3
        assert naps.asked == [0.75, 1.5]


async def test_broken_answers_are_tried_again_after_growing_pauses() -> None:
    faults = Faults(scripts=(Script("activities", "truncated", times=2),))
    async with portal_client(small_portal(faults=faults)) as (_, client, naps):
        await client.get_activities_in_webshop()
        assert naps.asked == [1.5, 2.25]


@pytest.mark.parametrize(("header", "least", "most"), [("7", 7, 7.5), ("900", 30, 30.5), ("soon", 1, 1.5)])
async def test_a_portal_that_is_asked_too_often_says_how_long_to_wait(
    header: str, least: float, most: float
) -> None:
    faults = Faults(scripts=(Script("activities", "429", times=4),), retry_after=header)
    async with portal_client(small_portal(faults=faults)) as (_, client, naps):
        assert await client.get_activities_in_webshop()
        assert len(naps.asked) == 4
        assert all(least <= seconds <= most for seconds in naps.asked)


async def test_a_date_to_wait_for_is_understood() -> None:
    faults = Faults(scripts=(Script("activities", "429"),), retry_after="Wed, 01 Jan 2020 00:00:00 GMT")
    async with portal_client(small_portal(faults=faults)) as (_, client, naps):
        assert await client.get_activities_in_webshop()
        assert 0 <= naps.asked[0] < 1


async def test_large_answers_get_the_longer_time_after_a_timeout() -> None:
    faults = Faults(scripts=(Script(r"jobs/[^/]+(\?.*)?$", "slow", times=0),), slow_seconds=0.5)
    patience = Performance(timeout=0.2, slow_timeout=30.0)
    async with portal_client(small_portal(faults=faults), performance=patience) as (simulator, client, _):
        job = simulator.portal.jobs[0]
        assert await client.get_job_details(job.uuid)
        assert len(simulator.requests) == 2
        assert client.get_stats_summary()["api_calls_failed"] == 1


async def test_small_answers_do_not() -> None:
    faults = Faults(scripts=(Script("users", "slow", times=0),), slow_seconds=0.5)
    patience = Performance(timeout=0.1, slow_timeout=30.0, retry_attempts=2)
    async with portal_client(small_portal(faults=faults), performance=patience) as (_, client, _):
        with pytest.raises(PortalUnavailableError, match="timeout"):
            await client.get_user_details("u")


async def test_refused_credentials_are_not_tried_again() -> None:
    async with portal_client(small_portal(), password="wrong") as (simulator, client, _):
        with pytest.raises(PortalRefusedError):
            await client.get_activities_in_webshop()
        assert len(simulator.requests) == 1
        assert await client.test_connection() is False


async def test_a_portal_that_answers_is_known_to_be_there() -> None:
    async with portal_client(small_portal()) as (_, client, _):
        assert await client.test_connection() is True
        assert await client.http_get("/users/nobody") is None


async def test_what_failed_is_not_remembered() -> None:
    faults = Faults(scripts=(Script("users", "500", times=3),))
    async with portal_client(small_portal(faults=faults)) as (simulator, client, _):
        user = next(iter(simulator.portal.users.values()))
        with pytest.raises(PortalUnavailableError):
            await client.get_user_details(user.uuid)
        assert await client.get_user_details(user.uuid)


async def _serve(handler: Any, tls: ssl.SSLContext | None = None) -> tuple[web.AppRunner, int]:
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    return runner, runner.addresses[0][1]


async def _ask(answer: dict[str, Any], **headers: str) -> list[Any]:
    """What the client makes of a portal that always answers so."""

    async def handler(_: web.Request) -> web.Response:
        return web.json_response(answer, headers=headers)

    runner, port = await _serve(handler)
    try:
        async with NetlifeAPIClient("p", f"http://127.0.0.1:{port}/api/v1", "u", "p") as client:
            return await client.get_activities_in_webshop()
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("following", "reason"),
    [
        ("/activities/search?status_id=in-webshop", "circle"),
        ("https://evil.example.net/api/v1/activities", "another host"),
    ],
)
async def test_pages_that_lead_astray_are_refused(following: str, reason: str) -> None:
    with pytest.raises(PortalContractError, match=reason):
        await _ask({"data": [{"uuid": "a"}], "meta": {"next": following}})


async def test_a_failure_in_disguise_is_one() -> None:
    with pytest.raises(PortalContractError, match="success: false"):
        await _ask({"success": False, "data": []})


async def test_answers_beyond_all_measure_are_refused() -> None:
    simulator = small_portal()
    tiny = Performance(max_answer_bytes=200)
    async with portal_client(simulator, performance=tiny) as (_, client, _):
        with pytest.raises(PortalContractError, match="larger"):
            await client.get_activities_in_webshop()


async def test_redirects_are_not_followed() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"})

    runner, port = await _serve(handler)
    async with NetlifeAPIClient("p", f"http://127.0.0.1:{port}", "u", "p") as client:
        with pytest.raises(PortalContractError, match="302"):
            await client.get_activities_in_webshop()
    await runner.cleanup()


def _certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "tls.pem", folder / "tls.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return pem, context


async def test_certificates_are_always_checked(tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response([])

    pem, context = _certificate(tmp_path)
    runner, port = await _serve(handler, context)
    base = f"https://localhost:{port}/api/v1"
    async with NetlifeAPIClient("p", base, "u", "p") as client:
        with pytest.raises(PortalRefusedError, match="certificate"):
            await client.get_activities_in_webshop()
    async with NetlifeAPIClient("p", base, "u", "p", ca_file=pem) as client:
        assert await client.get_activities_in_webshop() == []
    async with NetlifeAPIClient("p", f"https://127.0.0.1:{port}", "u", "p", ca_file=pem) as client:
        with pytest.raises(PortalRefusedError, match="certificate"):
            await client.get_activities_in_webshop()
    await runner.cleanup()


async def test_a_portal_that_is_not_there_is_unavailable() -> None:
    async def no_sleep(_: float) -> None:
        return None

    async with NetlifeAPIClient("p", "http://127.0.0.1:9/", "u", "p", sleep=no_sleep) as client:
        with pytest.raises(PortalUnavailableError):
            await client.get_activities_in_webshop()
        assert client.get_stats_summary()["api_calls_failed"] == 3


def test_every_method_of_the_first_client_is_there() -> None:
    names = """test_connection http_get get_activities_in_webshop get_job_details get_job_subjects
        get_buyers_and_non_buyers get_job_registered_users_map get_registered_users get_user_details
        get_or_create_access_key build_subject_activity_mapping _paginate increment_job_processed
        add_subject_stats get_stats_summary log_final_stats origin"""
    assert [name for name in names.split() if not hasattr(NetlifeAPIClient, name)] == []


def test_a_summary_is_a_copy_of_the_figures() -> None:
    client = NetlifeAPIClient("nowandgen", "https://nowandgen.shop/api/v1", "u", "p")
    client.increment_job_processed()
    client.add_subject_stats(has_phone=True, has_email=False, has_images=True)
    stats = client.get_stats_summary()
    stats["errors"].append("mine")
    assert (stats["jobs_processed"], stats["subjects_with_phones"], stats["subjects_with_emails"]) == (
        1,
        1,
        0,
    )
    assert client.get_stats_summary()["errors"] == []
    assert stats["portal_brand"] == "Generations"
    assert stats["duration_seconds"] >= 0


async def test_two_clients_know_nothing_of_each_other() -> None:
    first, second = make_portal(1, jobs=1, subjects=2), make_portal(2, jobs=1, subjects=3)
    async with running(Simulator(first)) as one, running(Simulator(second)) as two:
        clients = [
            NetlifeAPIClient(sim.portal.name, sim.base_url, sim.portal.username, sim.portal.password)
            for sim in (one, two)
        ]
        await asyncio.gather(*(client.get_activities_in_webshop() for client in clients))
        found = [client.stats.activities_found for client in clients]
        assert found == [len(portal.jobs[0].in_shop) for portal in (first, second)]
        for client in clients:
            await client.close()
