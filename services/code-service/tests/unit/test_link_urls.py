import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from code_service.links.urls import clean_url, merge_utm, new_short_id


@pytest.mark.parametrize(
    ("url", "merged"),
    [
        ("https://a.test/", "https://a.test/?utm_source=mail"),
        ("https://a.test/p?x=1#top", "https://a.test/p?x=1&utm_source=mail#top"),
        ("https://a.test/?utm_source=old&x=a%20b", "https://a.test/?x=a%20b&utm_source=mail"),
        ("https://a.test/?utm%5Fsource=old", "https://a.test/?utm_source=mail"),
        ("https://a.test/?utm_source=a&flag&utm_source=b", "https://a.test/?flag&utm_source=mail"),
        ("https://a.test/?utm_medium=x", "https://a.test/?utm_medium=x&utm_source=mail"),
    ],
)
def test_utm_parameters_are_merged_and_the_rest_stays(url: str, merged: str) -> None:
    assert merge_utm(url, {"utm_source": "mail"}) == merged
    assert merge_utm(merged, {"utm_source": "mail"}) == merged


def test_values_are_escaped() -> None:
    assert (
        merge_utm("https://a.test/", {"utm_term": "a&b=c #é"})
        == "https://a.test/?utm_term=a%26b%3Dc%20%23%C3%A9"
    )


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "ftp://a.test/",
        "//a.test/",
        "/path",
        "data:text/html,x",
        "https://",
        "https://a.test/\r\nSet-Cookie: x=1",
        "https://a.test/\tb",
        "https://a.test\\@b.test/",
        "https://user:secret@a.test/",
        "https://bank.test@a.test/",
        "https://a.test/" + "x" * 2050,
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        clean_url(url)


@given(st.text(max_size=80))
def test_what_is_accepted_can_stand_in_a_header(text: str) -> None:
    try:
        url = clean_url("https://a.test/" + text)
    except ValueError:
        return
    assert re.fullmatch(r"https://a\.test/[!-~]*", url)


def test_hosts_are_written_in_ascii() -> None:
    assert clean_url("https://Bücher.test/ä") == "https://xn--bcher-kva.test/%C3%A4"


def test_short_ids_do_not_repeat() -> None:
    made = {new_short_id() for _ in range(2000)}
    assert len(made) == 2000
    assert all(re.fullmatch(r"[1-9A-HJ-NP-Za-km-z]{7}", one) for one in made)
