"""What jobs are going to do with a file, before anything is done."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from code_service.automation.planning.create import CreateOptions, plan_create
from code_service.automation.planning.diff import Difference, diff_files
from code_service.automation.planning.matching import matching
from code_service.automation.planning.model import PlanError, PlannedRow, parse_percent, row_of
from code_service.automation.planning.rename import RenameOptions, plan_list, plan_pairs, plan_rename
from code_service.automation.planning.update import UpdateOptions, plan_update
from code_service.fienta.port import Discount


def made(tmp_path: Path, text: str, name: str = "codes.csv", encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def names(rows: list[PlannedRow]) -> list[tuple[int, str, str | None, str]]:
    return [(row.line, row.code, row.new_code, row.state) for row in rows]


def test_rows_say_what_a_new_code_is_like_and_the_request_fills_the_rest(tmp_path: Path) -> None:
    path = made(
        tmp_path,
        "Code;Studio;Order limit;Ticket limit;Discount percent\n"
        "A-1;Põhja;2;;\nA-2;;;4;12,5 %\nA-3;;0;;0\nbad code;;;;\nA-5;;x;;\na-1;;;;\nA-7;;;;101\n",
        encoding="cp1257",
    )
    rows = plan_create(path, CreateOptions(discount=Discount.of_percent(40), title="Fair"))
    assert [
        (row.limit_per_order, row.limit_per_ticket, str(row.discount), row.title) for row in rows[:3]
    ] == [
        (2, 1, "40 %", "Põhja"),
        (1, 4, "12.5 %", "Fair"),
        (0, 1, "0 %", "Fair"),
    ]
    assert [(row.line, row.state, row.reason) for row in rows[3:]] == [
        (5, "failed", "a code has 1 to 64 letters, digits, dots, hyphens or underscores"),
        (6, "failed", "'x' is not a limit: a whole number, 0 for none"),
        (7, "failed", "line 2 has this code already"),
        (8, "failed", "'101' is not a percentage from 0 to 100"),
    ]


def test_a_new_code_needs_a_discount_from_somebody(tmp_path: Path) -> None:
    (row,) = plan_create(made(tmp_path, "code\nA\n"), CreateOptions())
    assert (row.state, row.reason) == (
        "failed",
        "neither the row nor the request says how much the code takes off",
    )


def test_a_discount_of_zero_is_a_discount(tmp_path: Path) -> None:
    path = made(tmp_path, "code\nA\n")
    zero = Discount.of_percent(0)
    assert plan_create(path, CreateOptions(discount=zero))[0].discount == zero
    (row,) = plan_update(path, UpdateOptions(discount=zero))
    assert (row.state, row.discount, row.wanted) == ("pending", zero, {"percent": "0"})
    assert parse_percent("0") == zero


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "the file is empty"), ("name\nx\n", "no column named code"), ("code\n", "no codes")],
)
def test_files_that_make_no_plan(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        plan_create(made(tmp_path, text), CreateOptions())


def test_changes_come_from_the_request_or_else_from_the_file(tmp_path: Path) -> None:
    path = made(tmp_path, "code,discount,order_limit\nA,40,5\nB,,\n")
    from_file = plan_update(path, UpdateOptions())
    assert [(row.wanted, row.state) for row in from_file] == [
        ({"percent": "40", "limit_per_order": 5}, "pending"),
        ({}, "skipped"),
    ]
    limits = plan_update(path, UpdateOptions(Discount.of_percent(10), limit_per_ticket=0, only_limits=True))
    assert [row.wanted for row in limits] == [{"limit_per_ticket": 0}] * 2


def test_what_was_stored_of_a_row_is_the_row(tmp_path: Path) -> None:
    rows = plan_create(made(tmp_path, "code,percent\nA,0\nB,\n"), CreateOptions(Discount.of_amount(750)))
    for row in rows:
        stored = {
            name: getattr(row, name) for name in ("line", "code", "new_code", "wanted", "state", "reason")
        }
        assert row_of(stored) == row


EXPORT = (
    "Code,Created\nA-1,12.09.2025 10:45\nMOB-001,12.09.2025 11:00\nA-2,13.09.2025 10:45\n"
    "B-1,12.09.2025 18:00\nmob-x,12.09.2025 18:00\n"
)


def test_codes_are_numbered_after_a_prefix_and_numbers_in_use_are_passed_over(tmp_path: Path) -> None:
    path = made(tmp_path, EXPORT)
    assert names(plan_rename(path, RenameOptions(prefix="MOB-", pad_length=3))) == [
        (2, "A-1", "MOB-002", "pending"),
        (3, "MOB-001", None, "skipped"),
        (4, "A-2", "MOB-003", "pending"),
        (5, "B-1", "MOB-004", "pending"),
        (6, "mob-x", None, "skipped"),
    ]
    again = RenameOptions(prefix="MOB-", start=7, limit=2, skip_already_prefixed=False)
    assert names(plan_rename(path, again)) == [
        (2, "A-1", "MOB-07", "pending"),
        (3, "MOB-001", "MOB-08", "pending"),
    ]


def test_codes_are_chosen_by_pattern_date_start_and_rows(tmp_path: Path) -> None:
    path = made(tmp_path, EXPORT)

    def chosen(**options: object) -> list[str]:
        return [row.code for row in plan_rename(path, RenameOptions(prefix="X", **options))]  # type: ignore[arg-type]

    assert chosen(created_at_includes="13.09") == ["A-2"]
    assert chosen(created_at_includes="2025-09-13") == ["A-2"]
    assert chosen(regex=r"^A-\d$") == ["A-1", "A-2"]
    assert chosen(starts_with="mob") == ["MOB-001", "mob-x"]
    assert chosen(skip_rows=3) == ["B-1", "mob-x"]
    assert chosen(code_column="1", created_column="created", created_at_includes="18:00") == ["B-1", "mob-x"]
    for options, words in (
        ({"regex": "("}, "not a regular expression"),
        ({"created_column": "when", "created_at_includes": "1"}, "no column named when"),
        ({"starts_with": "nothing"}, "no code of the file is chosen"),
    ):
        with pytest.raises(PlanError, match=words):
            chosen(**options)
    with pytest.raises(PlanError, match="a prefix is needed"):
        plan_rename(path, RenameOptions())


def test_times_of_a_workbook_are_chosen_as_the_shop_shows_them(tmp_path: Path) -> None:
    path = made(tmp_path, "code,created\nA,2025-09-12T10:45:00\nB,2025-09-13T10:45:00\nC,soon\n")
    options = RenameOptions(prefix="X", created_at_includes="12.09.2025 10")
    assert [row.code for row in plan_rename(path, options)] == ["A"]


def test_a_pattern_that_would_take_for_ever_is_stopped() -> None:
    with pytest.raises(PlanError, match="too long"):
        matching(r"(a+)+$", ["a" * 60 + "!"], seconds=0.3)
    assert matching("^a", ["ab", "ba"]) == [True, False]


def test_codes_out_of_a_plain_list(tmp_path: Path) -> None:
    plain = made(tmp_path, "A-1\nB-1\nA-2\n")
    options = RenameOptions(prefix="M", starts_with="a", skip_rows=1)
    assert names(plan_list(plain, options)) == [(3, "A-2", "M01", "pending")]
    headed = made(tmp_path, "nr|Code\n1|A;1\n2|A-2\n")
    assert names(plan_list(headed, RenameOptions(prefix="M", code_column="Code"), delimiter="|")) == [
        (2, "A;1", "M01", "failed"),
        (3, "A-2", "M02", "pending"),
    ]
    assert [row.code for row in plan_list(headed, RenameOptions(prefix="M", code_column="2"))] == [
        "A;1",
        "A-2",
    ]


def test_pairs_are_done_in_an_order_in_which_each_name_is_free(tmp_path: Path) -> None:
    path = made(
        tmp_path,
        "old,new\nA,B\nB,C\nX,Y\nY,Z\nZ,X\nD,d\nE,E\nF,G\nH,g\nA,K\nI,not ok\nJ,\n",
    )
    rows = {row.line: row for row in plan_pairs(path)}
    assert names(plan_pairs(path))[:2] == [(3, "B", "C", "pending"), (2, "A", "B", "pending")]
    assert {line for line, row in rows.items() if row.reason and "circle" in row.reason} == {4, 5, 6}
    assert [(rows[line].state, rows[line].reason) for line in (7, 8, 9, 10, 11)] == [
        ("pending", None),
        ("skipped", "has this name already"),
        ("pending", None),
        ("failed", "line 9 gives the name g to another code"),
        ("failed", "line 2 has this code already"),
    ]
    assert [rows[line].state for line in (12, 13)] == ["failed", "failed"]
    with pytest.raises(PlanError, match="no pairs"):
        plan_pairs(made(tmp_path, "old,new\n"))


def test_a_diff_tells_what_was_added_removed_and_changed(tmp_path: Path) -> None:
    before = made(tmp_path, "Code;Limit;Old\nA;1;x\nB;2;x\nC;3;x\n", "before.csv")
    after = made(tmp_path, "limit,code,New\n9,b,y\n1,A,y\n4,D,y\n", "after.csv")
    report = diff_files(before, after)
    assert report.differences == [
        Difference("added", "D"),
        Difference("changed", "b", "code", "B", "b"),
        Difference("changed", "b", "limit", "2", "9"),
        Difference("removed", "C"),
    ]
    assert report.counts == {"added": 1, "removed": 1, "changed": 1, "unchanged": 1}
    assert (report.columns_added, report.columns_removed) == (["new"], ["old"])


ROWS = st.lists(st.tuples(st.sampled_from("ABCab"), st.sampled_from("12"), st.sampled_from("xy")), max_size=8)


@settings(max_examples=40, deadline=None)
@given(before=ROWS, after=ROWS, seed=st.integers(0, 1000))
def test_a_diff_does_not_depend_on_the_order_of_rows(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[str, str, str]],
    after: list[tuple[str, str, str]],
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("diff")

    def written(name: str, rows: list[tuple[str, str, str]]) -> Path:
        return made(folder, "\n".join(["code,a,b", *map(",".join, rows)]), name)

    first = diff_files(written("1.csv", before), written("2.csv", after))
    shuffled = random.Random(seed)
    shuffled.shuffle(before)
    shuffled.shuffle(after)
    assert diff_files(written("3.csv", before), written("4.csv", after)) == first
    if sorted(before) == sorted(after):
        assert first.differences == []
