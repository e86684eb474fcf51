from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from deploy.local.mailcatcher.store import MailStore

Open = Callable[..., MailStore]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(closing(MailStore(tmp_path, **options)))


def filled(opened: Open) -> MailStore:
    store = opened()
    store.append([("a@example.com", ("One@example.com",), b"first\r\n"), ("", ("two@example.com",), b"")])
    return store


def test_mails_are_found_by_recipient_whatever_the_case(opened: Open) -> None:
    store = filled(opened)
    [entry] = store.newest("ONE@EXAMPLE.COM")
    assert (entry.id, entry.sender, store.content(entry)) == (1, "a@example.com", b"first\r\n")
    assert [each.id for each in store.newest()] == [2, 1]
    assert [each.id for each in store.after(1)] == [2]
    assert store.count() == 2
    assert store.count("nobody@example.com") == 0


def test_mails_are_there_again_after_a_restart(opened: Open) -> None:
    filled(opened).close()
    store = opened()
    assert [store.content(entry) for entry in store.after(0)] == [b"first\r\n", b""]
    store.append([("c@example.com", ("three@example.com",), b"third\r\n")])
    assert [entry.id for entry in store.newest("three@example.com")] == [3]


def test_mail_cut_short_by_a_crash_is_dropped_and_the_next_one_is_readable(
    opened: Open, tmp_path: Path
) -> None:
    filled(opened).close()
    with (tmp_path / "mails").open("ab") as file:
        file.write(b'[3, "a@example.com", ["x@example.com"], 1.0, 500]\npartly writ')
    store = opened()
    assert store.count() == 2
    store.append([("a@example.com", ("x@example.com",), b"whole\r\n")])
    store.close()
    reopened = opened()
    assert [reopened.content(entry) for entry in reopened.newest("x@example.com")] == [b"whole\r\n"]


def test_numbers_are_not_given_twice_after_clearing(opened: Open) -> None:
    store = filled(opened)
    store.clear()
    assert store.count() == 0
    store.append([("a@example.com", ("one@example.com",), b"later\r\n")])
    assert [entry.id for entry in store.newest()] == [3]


def test_store_says_when_it_is_full(opened: Open) -> None:
    store = opened(max_bytes=10)
    assert not store.full
    store.append([("a@example.com", ("one@example.com",), b"more than ten bytes")])
    assert store.full
