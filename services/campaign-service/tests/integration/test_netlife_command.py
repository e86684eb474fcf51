"""The collector as a program: its files, its objects in S3, its exit codes."""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from campaign_service.netlife.command import main
from tests.simulators.netlife import Faults, Script, Simulator, expected_rows, running

from .portal_kit import read_csv, small_portal

BUCKET = "photo-contacts"


@pytest.fixture
async def portal() -> AsyncIterator[Simulator]:
    async with running(small_portal()) as simulator:
        yield simulator


async def run(simulator: Simulator, out: str | Path, *more: str, password: str = "open-sesame-7") -> int:
    """The exit code; the program runs in a thread, with an event loop of its own."""
    arguments = ["collect", "--portal", simulator.portal.name, "--out", str(out), *more]
    environment = {"NETLIFE_USERNAME": simulator.portal.username, "NETLIFE_PASSWORD": password}
    address = [] if "--base-url" in more else ["--base-url", simulator.base_url]
    return await asyncio.to_thread(main, [*arguments, *address], environment)


async def test_a_collection_is_written_as_a_file_for_its_owner(portal: Simulator, tmp_path: Path) -> None:
    out = tmp_path / "contacts.csv"
    out.write_text("yesterday's")
    assert await run(portal, out) == 0
    rows = read_csv(out.read_bytes().decode())
    assert rows == expected_rows(portal.portal, portal.address)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert not await asyncio.to_thread(lambda: [path for path in tmp_path.iterdir() if path != out])


async def test_options_reach_the_collector(portal: Simulator, tmp_path: Path) -> None:
    out = tmp_path / "contacts.csv"
    options = [
        "--audience",
        "buyers",
        "--contact-filter",
        "email-only",
        "--registered-only",
        "--no-images-required",
    ]
    assert await run(portal, out, *options, "--job", portal.portal.jobs[0].uuid) == 0
    rows = read_csv(out.read_text())
    assert {(r["buyer"], r["registered_user"], r["job_uuid"], bool(r["email"])) for r in rows} == {
        ("Yes", "Yes", portal.portal.jobs[0].uuid, True)
    }


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["collect"],
        ["collect", "--portal", "nowandgen"],
        ["collect", "--portal", "unheard-of", "--out", "x.csv"],
        ["collect", "--portal", "nowandgen", "--out", "ftp://host/x.csv"],
        ["collect", "--portal", "nowandgen", "--out", "x.csv", "--audience", "everybody"],
        ["collect", "--portal", "nowandgen", "--out", "x.csv", "--base-url", "http://photos.example.com"],
        ["collect", "--portal", "nowandgen", "--out", "x.csv", "--timeout", "0"],
        ["collect", "--portal", "nowandgen", "--out", "x.csv", "--ca-file", "/not/there.pem"],
    ],
)
def test_wrong_arguments_end_with_10(arguments: list[str]) -> None:
    assert main(arguments, {"NETLIFE_USERNAME": "u", "NETLIFE_PASSWORD": "p"}) == 10


def test_missing_credentials_end_with_10(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collect", "--portal", "nowandgen", "--out", "x.csv"], {"NETLIFE_USERNAME": "u"}) == 10
    assert "NETLIFE_PASSWORD must be set" in capsys.readouterr().err


async def test_a_portal_that_refuses_ends_with_20(portal: Simulator, tmp_path: Path) -> None:
    out = tmp_path / "contacts.csv"
    assert await run(portal, out, password="wrong") == 20
    assert not out.exists()


async def test_a_part_that_fails_ends_with_20_and_writes_only_when_asked(
    portal: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "contacts.csv"
    lost = portal.portal.jobs[0].uuid
    # What is not there is not waited for.
    portal.faults = Faults(scripts=(Script(f"jobs/{lost}$", "404", times=0),))
    assert await run(portal, out) == 20
    assert not out.exists()
    assert await run(portal, out, "--allow-partial") == 20
    assert {row["job_uuid"] for row in read_csv(out.read_text())} == {portal.portal.jobs[1].uuid}
    errors = capsys.readouterr().err
    assert "nothing was written" in errors
    assert "the rest was written" in errors
    assert lost not in errors


async def test_a_place_that_cannot_be_written_ends_with_30_before_anything_is_read(
    portal: Simulator, tmp_path: Path
) -> None:
    assert await run(portal, tmp_path / "nowhere" / "contacts.csv") == 30
    assert await run(portal, tmp_path) == 30
    assert portal.requests == []


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedMotoServer]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    yield server
    server.stop()


async def test_a_collection_is_put_into_s3(portal: Simulator, s3: ThreadedMotoServer) -> None:
    import boto3  # type: ignore[import-untyped]

    client = boto3.client("s3")
    await asyncio.to_thread(client.create_bucket, Bucket=BUCKET)
    assert await run(portal, f"s3://{BUCKET}/2026/contacts.csv") == 0
    stored = await asyncio.to_thread(client.get_object, Bucket=BUCKET, Key="2026/contacts.csv")
    assert stored["ContentType"] == "text/csv; charset=utf-8"
    rows = read_csv(stored["Body"].read().decode())
    assert rows == expected_rows(portal.portal, portal.address)
    assert await run(portal, "s3://no-such-bucket/contacts.csv") == 30
    client.close()


async def test_the_program_says_what_it_did_in_numbers(portal: Simulator, tmp_path: Path) -> None:
    out = tmp_path / "contacts.csv"
    secrets = {"NETLIFE_USERNAME": portal.portal.username, "NETLIFE_PASSWORD": portal.portal.password}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "campaign_service.netlife",
        *("collect", "--portal", portal.portal.name, "--base-url", portal.base_url, "--out", str(out)),
        env={**os.environ, **secrets},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    assert len(read_csv(out.read_text())) == len(expected_rows(portal.portal, portal.address))
    assert b'"subjects_total":40' in said
    assert portal.portal.subjects[0].uuid.encode() not in said
