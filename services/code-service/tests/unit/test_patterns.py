import pytest
from hypothesis import given
from hypothesis import strategies as st

from code_service.generation.patterns import Pattern, check_digit
from code_service.generation.schemas import BulkIn


def test_codes_follow_their_pattern() -> None:
    pattern = Pattern("##-##", "AB", prefix="X.", postfix="_9")
    assert {pattern.code(number) for number in range(pattern.space)} == {
        f"X.{a}{b}-{c}{d}_9" for a in "AB" for b in "AB" for c in "AB" for d in "AB"
    }


def test_drawn_codes_are_different() -> None:
    drawn = Pattern("####", "0123456789").draw(1000)
    assert len(set(drawn)) == 1000


digits = st.integers(2, 36).flatmap(
    lambda size: st.tuples(st.just(size), st.lists(st.integers(0, size - 1), min_size=1, max_size=12))
)


@given(digits, st.data())
def test_one_wrong_symbol_changes_the_check_symbol(made: tuple[int, list[int]], data: st.DataObject) -> None:
    size, right = made
    place = data.draw(st.integers(0, len(right) - 1))
    other = data.draw(st.integers(0, size - 1).filter(lambda digit: digit != right[place]))
    wrong = [*right[:place], other, *right[place + 1 :]]
    assert check_digit(right, size) != check_digit(wrong, size)


def test_the_check_symbol_stands_before_the_postfix() -> None:
    pattern = Pattern("##", "0123456789", postfix="-X", has_check=True)
    assert pattern.code(0) == "000-X"
    assert pattern.code(5) == f"50{check_digit([5, 0], 10)}-X"


def test_characters_that_differ_in_case_are_one() -> None:
    assert BulkIn(count=1, charset="aAbB").compiled().space == 2**10


@pytest.mark.parametrize(
    "fields",
    [
        {"charset": "a"},
        {"charset": "aA"},
        {"charset": "ab-"},
        {"charset": "äö"},
        {"pattern": "a b"},
        {"pattern": "-###"},
        {"pattern": "#" * 60, "prefix": "ABCDE"},
        {"count": 0},
        {"count": 1_000_001},
    ],
)
def test_what_makes_no_codes_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        BulkIn.model_validate({"count": 1} | fields)
