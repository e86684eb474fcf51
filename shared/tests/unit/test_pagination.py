"""Cursors."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ValidationError
from shared.web import decode_cursor, encode_cursor

KEY = b"k" * 32
values = st.lists(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53), 2**53),
        st.text(),
        st.uuids(),
        st.datetimes(timezones=st.just(UTC)),
    ),
    max_size=4,
)


@given(values)
def test_values_come_back_as_they_went(given_values: list[object]) -> None:
    assert decode_cursor(KEY, "list", encode_cursor(KEY, "list", given_values)) == given_values


@given(st.text(max_size=100))
def test_what_we_did_not_make_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        decode_cursor(KEY, "list", text)


def test_cursor_is_bound_to_its_list_and_our_key() -> None:
    cursor = encode_cursor(KEY, "list", [datetime.now(UTC), uuid4()])
    for key, scope in ((KEY, "other"), (b"x" * 32, "list")):
        with pytest.raises(ValidationError):
            decode_cursor(key, scope, cursor)
