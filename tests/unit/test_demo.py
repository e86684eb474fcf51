"""The demo's own parts: its file, its report, and the rows it posts."""

from __future__ import annotations

import csv
import io
import json
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from python_calamine import CalamineWorkbook

from demo import powermta
from demo.automation import what_is_missing
from demo.contacts import COLUMNS, make_contacts
from demo.mail import Envelope
from demo.portal import make_simulator, number_of, numbers
from demo.report import Report
from demo.subjects import chance_of
from demo.texts import segments_of
from demo.warming import zone_at_noon
from demo.workbook import make_workbook

MAIL = Envelope(
    1, "b-ref@mail.example", "ada@example.com", "ref", "Hello", datetime(2026, 5, 1, 8, 0, 0, 500, UTC)
)


def test_same_seed_gives_the_same_file() -> None:
    assert make_contacts(500, seed=3).content == make_contacts(500, seed=3).content
    assert make_contacts(500, seed=3).content != make_contacts(500, seed=4).content


def test_every_row_is_a_person_a_repeat_or_a_fault() -> None:
    file = make_contacts(2000)
    assert len(file.people) + len(file.duplicate_lines) + len(file.rejections) == file.rows == 2000
    assert not file.duplicate_lines & file.rejections.keys()


def test_file_mixes_encodings_behind_its_byte_order_mark() -> None:
    lines = make_contacts(2000).content.removeprefix(b"\xef\xbb\xbf").split(b"\r\n")
    assert lines[0].decode().split(";") == list(COLUMNS)
    broken = [line for line in lines if not _is_utf8(line)]
    accented = [line for line in lines if _is_utf8(line) and not line.isascii()]
    assert len(broken) > 100
    assert len(accented) > 100


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_workbook_says_which_lines_are_bad() -> None:
    file = make_workbook(100)
    with CalamineWorkbook.from_filelike(io.BytesIO(file.content)) as workbook:
        lines = dict(enumerate(workbook.get_sheet_by_index(0).to_python(), start=1))
    assert len(lines) == file.rows + 1
    assert [lines[line][0] for line in sorted(file.rejections)][:2] == ["", "SPRING 10"]
    assert {lines[line][0] for line in lines.keys() - file.rejections.keys() - {1}} == set(file.codes)


def test_renaming_for_real_needs_the_simulated_shop_and_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    assert what_is_missing(0) == "This installation is not joined to the simulated Fienta"
    monkeypatch.setenv("FIENTA_CHROMIUM", "/no/such/browser")
    assert what_is_missing(8118) == "There is no Chromium at /no/such/browser"
    monkeypatch.setenv("FIENTA_CHROMIUM", sys.executable)
    assert what_is_missing(8118) == ""


def test_wrong_figure_is_said_and_fails_the_demo() -> None:
    out = io.StringIO()
    report = Report(out)
    report.table("Figures", [("mails sent", 10, 10), ("delivered", 9, 8)])
    assert report.summary() == 1
    assert "WRONG  delivered: 8, must be 9" in out.getvalue()
    assert "1 of 2 figures are right" in out.getvalue()


def test_right_figures_pass() -> None:
    report = Report(io.StringIO())
    report.check("mails sent", 10, 10)
    assert report.summary() == 0


def test_progress_off_a_terminal_is_a_line_now_and_then() -> None:
    out, now = io.StringIO(), [0.0]
    report = Report(out, clock=lambda: now[0])
    for second in range(10, 20):
        now[0] = second
        report.progress("mails", second, 20)
    assert len(out.getvalue().splitlines()) == 5


def test_row_as_csv_and_as_json_says_the_same() -> None:
    row = powermta.delivered(MAIL, "job")
    [from_csv] = csv.DictReader(io.StringIO(powermta.as_csv([row], powermta.DELIVERY_COLUMNS)))
    [from_json] = json.loads(powermta.as_json([row]))
    assert from_csv["rcpt"] == from_json["rcpt"] == "ada@example.com"
    assert from_csv["timeLogged"] == "2026-05-01 08:00:01+0000"
    assert from_json["timeLogged"] == str(int(datetime(2026, 5, 1, 8, 0, 1, tzinfo=UTC).timestamp()))


def test_texts_are_counted_by_their_alphabet() -> None:
    lengths = (("a", 160, 1), ("a", 161, 2), ("a", 307, 3), ("ł", 70, 1), ("ł", 71, 2), ("\N{CAMERA}", 36, 2))
    for letter, number, segments in lengths:
        assert segments_of(letter * number) == segments


def test_number_for_texts_is_the_first_that_the_portal_could_read() -> None:
    unread, read = "+1 2015550123", "+1 (201) 555-0123"
    assert number_of({"phone_number": unread, "phone_number_2": read}) == "+12015550123"
    assert number_of({"phone_number": unread, "phone_number_2": ""}) == ""


def test_portal_has_parents_who_share_a_number() -> None:
    site = make_simulator()
    assert 100 < len(numbers(site.portal, "http://127.0.0.1")) < len(site.portal.subjects)


def test_a_difference_that_is_none_is_likely_and_a_large_one_is_not() -> None:
    assert chance_of((10, 10), [100, 100]) == pytest.approx(1.0)
    # 22 of 100 and 5 of 100: z = 3.517
    assert chance_of((5, 22), [100, 100]) == pytest.approx(0.000436, abs=1e-6)


@pytest.mark.parametrize("hour", range(24))
def test_warm_up_day_is_seen_at_its_noon(hour: int) -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hour)
    assert moment.astimezone(ZoneInfo(zone_at_noon(moment))).hour == 12
