"""The commands: flags of today and of always, results in files, statuses, no credentials as arguments."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from code_service.automation.command.run import main
from code_service.fienta.port import FientaLoginFailed, FientaPageChanged
from tests.simulators.fienta import Site, running

from .shop_kit import FileShop

PROGRAM = [sys.executable, "-m", "code_service.automation"]
SECRET = "hunter2-of-the-organiser"


@pytest.fixture
def shop(tmp_path: Path) -> FileShop:
    return FileShop(tmp_path / "shop.json")


class Shell:
    """Commands in this process, in a folder of their own, on a shop."""

    def __init__(self, folder: Path, shop: FileShop, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._shop = shop
        self._capsys = capsys
        self.out = self.err = ""

    def file(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def run(self, *argv: str) -> int:
        try:
            status = main(argv, open_shop=self._shop.open)
        except SystemExit as end:
            status = int(end.code or 0)
        self.out, self.err = self._capsys.readouterr()
        return status

    def at_shop(self, command: str, *argv: str) -> int:
        return self.run(command, "--out", str(self.folder / "out"), *argv)

    def table(self, name: str) -> list[dict[str, str]]:
        text = (self.folder / "out" / name).read_text(encoding="utf-8-sig")
        return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def shell(
    tmp_path: Path, shop: FileShop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    monkeypatch.setenv("FIENTA_EMAIL", "organiser@example.com")
    monkeypatch.setenv("FIENTA_PASSWORD", SECRET)
    monkeypatch.setenv("FIENTA_EVENT_ID", "118000")
    return Shell(tmp_path, shop, capsys)


def test_a_command_rehearses_unless_told_otherwise(shell: Shell, shop: FileShop) -> None:
    shop.add("A")
    codes = shell.file("codes.csv", "code\nA\nB\n")
    flags = ("--csv", codes, "--renamePrefix", "MOB-", "--renamePadLength", "3", "--renameStart=7")
    assert shell.at_shop("rename-codes", *flags) == 1
    assert shell.out.splitlines()[0] == "A → MOB-007"
    assert "1 would be done, 0 skipped, 1 refused" in shell.out
    assert "line 3: B: Fienta has no code B" in shell.err
    assert [row["state"] for row in shell.table("plan.csv")] == ["pending", "failed"]
    assert [row["new"] for row in shell.table("pairs.csv")] == ["MOB-007", "MOB-008"]
    assert shop.calls == []
    assert shell.at_shop("rename-codes", *flags, "--dryRun", "false") == 1
    assert shop.calls == ["rename A MOB-007"]
    assert [row["state"] for row in shell.table("results.csv")] == ["done", "failed"]


def test_zero_percent_and_limits_alone(shell: Shell, shop: FileShop) -> None:
    codes = shell.file("codes.csv", "code\nA\n")
    assert shell.at_shop("create-codes", "--csv", codes, "--percent", "0", "--no-dry-run") == 0
    assert str(shop.codes["A"].discount) == "0 %"
    limits = ("--limitPerOrder", "5", "--onlyUpdateLimit", "--percent", "90")
    assert shell.at_shop("update-discount", "--csv", codes, *limits, "--dry-run=false") == 0
    found = shop.codes["A"]
    assert (str(found.discount), found.limit_per_order, found.limit_per_ticket) == ("0 %", 5, 1)


def test_a_report_needs_no_credentials(shell: Shell, shop: FileShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIENTA_PASSWORD")
    listed = shell.file("list.txt", "x|A\ny|B\n")
    flags = (
        "--listCsv",
        listed,
        "--listDelimiter",
        "|",
        "--listColumn",
        "2",
        "--listSkip",
        "1",
        "--reportOnly",
    )
    assert shell.at_shop("rename-codes", *flags, "--renamePrefix", "N", "--no-dry-run") == 0
    assert shell.table("pairs.csv") == [{"old": "B", "new": "N01"}]
    assert shop.opened_with == []
    new = ("--csv", shell.file("codes.csv", "code\nA\n"), "--percent", "1")
    assert shell.at_shop("create-codes", *new) == 0
    assert "not compared with the shop" in shell.err
    assert shell.at_shop("create-codes", *new, "--dry-run", "false") == 4
    assert "set FIENTA_EMAIL and FIENTA_PASSWORD" in shell.err


def test_the_same_command_goes_on_where_it_was_stopped(shell: Shell, shop: FileShop) -> None:
    codes = shell.file("codes.csv", "code\nA\nB\nC\n")
    flags = ("--csv", codes, "--percent", "10", "--dry-run", "false")
    shop.broken = {"B"}
    assert shell.at_shop("create-codes", *flags) == 5
    assert "goes on where this one stopped" in shell.err
    journal = shell.folder / "out" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"place": 2, "sta')
    shop.broken = set()
    assert shell.at_shop("create-codes", *flags) == 0
    assert "going on with an earlier run" in shell.err
    assert shop.calls == ["create A", "create B", "create C"]
    assert shell.at_shop("create-codes", *flags) == 0
    assert len(shop.opened_with) == 2
    assert shell.at_shop("create-codes", *flags, "--restart") == 0
    assert "0 done, 3 skipped, 0 failed" in shell.out


@pytest.mark.parametrize(("error", "status"), [(FientaLoginFailed, 4), (FientaPageChanged, 5)])
def test_what_the_shop_refuses_has_a_status_of_its_own(
    shell: Shell, error: type[Exception], status: int
) -> None:
    def refuses(*_: Any, **__: Any) -> Any:
        raise error("no")

    codes = shell.file("codes.csv", "code\nA\n")
    assert (
        main(["create-codes", "--csv", codes, "--percent", "1", "--out", codes + ".out"], open_shop=refuses)
        == status
    )


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        (["create-codes", "--password", SECRET], 2, "not taken as arguments"),
        (["--password", SECRET, "create-codes"], 2, "not taken as arguments"),
        (["create-codes", f"--password={SECRET}"], 2, "not taken as arguments"),
        (["create-codes", "--dry-run", "perhaps"], 2, "true or false"),
        (["create-codes", "--csv", "x.csv", "--percent", "101"], 2, "discount_percent"),
        (["create-codes", "--percent", "1"], 3, "one file is needed: --csv"),
        (["rename-codes", "--csv", "a", "--pairsCsv", "b"], 3, "one file is needed"),
        (["create-codes", "--csv", "nothing.csv", "--percent", "1"], 3, "there is no file nothing.csv"),
        (
            ["csv-diff", "--before", "nothing.csv", "--after", "nothing.csv"],
            3,
            "there is no file nothing.csv",
        ),
        (["delete-everything"], 2, "invalid choice"),
        ([], 2, "command"),
    ],
)
def test_wrong_commands(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, argv: list[str], status: int, words: str
) -> None:
    monkeypatch.chdir(shell.folder)
    assert shell.run(*argv) == status
    assert words in shell.err
    assert SECRET not in shell.err + shell.out


def test_files_are_compared_and_converted(shell: Shell) -> None:
    before, after = shell.file("a.csv", "code;n\nA;1\n"), shell.file("b.csv", "n,code\n2,A\n3,B\n")
    assert shell.run("csv-diff", "--diffOld", before, "--diffNew", after) == 0
    assert shell.out.splitlines() == ["change,code,column,before,after", "added,B,,,", "changed,A,n,1,2"]
    assert shell.err == "1 added, 0 removed, 1 changed, 0 unchanged\n"
    book = xlsxwriter.Workbook(shell.folder / "book.xlsx")
    sheet = book.add_worksheet()
    for number, row in enumerate([("code", "n"), ("A", -5), ("=B()", 7)]):
        for place, value in enumerate(row):
            sheet.write_string(number, place, value) if isinstance(value, str) else sheet.write(
                number, place, value
            )
    book.close()
    target = shell.folder / "book.csv"
    flags = ("--xlsx", str(shell.folder / "book.xlsx"), "--delimiter", ";", "--out", str(target))
    assert shell.run("xlsx-to-csv", *flags) == 0
    assert target.read_text(encoding="utf-8-sig").splitlines() == ["code;n", "A;-5", "'=B();7"]


@pytest.mark.chromium
def test_a_command_drives_the_pages_and_can_be_interrupted(tmp_path: Path) -> None:
    site = Site()
    (tmp_path / "codes.csv").write_text("code\nA\nB\n")
    with running(site) as url:
        environment = os.environ | {
            "FIENTA_EMAIL": site.email,
            "FIENTA_PASSWORD": site.password,
            "FIENTA_BASE_URL": url,
            "FIENTA_DELAY_SECONDS": "0",
        }
        flags = ("--csv", "codes.csv", "--percent", "15", "--event", site.event, "--dry-run", "false")

        command = subprocess.Popen(
            [*PROGRAM, "create-codes", *flags],
            env=environment,
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with command:
            assert command.stderr is not None
            assert command.stderr.readline() == "line 2: A done\n"
            command.send_signal(signal.SIGINT)
            out, told = command.communicate(timeout=60)
    assert (command.returncode, out) == (130, "")
    assert "interrupted; the same command goes on" in told
    assert "A" in [one.code for one in site.discounts.values()]
    kept = {path.name: path.read_bytes() for path in (tmp_path / "automation-out").iterdir()}
    assert sorted(kept) == ["journal.jsonl", "results.csv"]
    assert site.password.encode() not in b"".join(kept.values())
