"""The simulated pages themselves: as strict as pages of a shop are."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.simulators.fienta import EVENT, Site, running
from tests.simulators.processes import ROOT

LIST = f"/my/events/{EVENT}/discounts"
FORM = {"amount": "40", "type": "2", "usage_limit": "", "ticket_limit": "1", "title": ""}


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def visitor(site: Site) -> Iterator[httpx.Client]:
    with running(site) as url, httpx.Client(base_url=url) as client:
        yield client


def token(page: httpx.Response) -> str:
    found = re.search(r'name="_token" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


def log_in(visitor: httpx.Client, site: Site) -> str:
    """The token for forms."""
    shown = visitor.get("/auth/login")
    form = {"_token": token(shown), "email": site.email, "password": site.password}
    assert visitor.post("/auth/login", data=form).headers["Location"] == LIST
    return form["_token"]


def test_strangers_are_sent_to_the_login(visitor: httpx.Client) -> None:
    for path in (LIST, f"{LIST}/create", f"{LIST}/90001/edit"):
        answer = visitor.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/auth/login")


def test_a_form_without_its_token_is_refused(visitor: httpx.Client, site: Site) -> None:
    log_in(visitor, site)
    assert visitor.post(LIST, data=FORM | {"code": "A"}).status_code == 419
    assert visitor.post(LIST, data=FORM | {"code": "A", "_token": "guessed"}).status_code == 419
    assert site.discounts == {}


def test_a_session_gets_another_id_at_login(visitor: httpx.Client, site: Site) -> None:
    visitor.get("/auth/login")
    before = visitor.cookies["fienta_session"]
    log_in(visitor, site)
    assert visitor.cookies["fienta_session"] != before
    assert before not in site.sessions


def test_codes_are_made_changed_and_deleted_by_forms(visitor: httpx.Client, site: Site) -> None:
    csrf = {"_token": log_in(visitor, site)}
    assert visitor.post(LIST, data=FORM | csrf | {"code": "A-1"}).headers["Location"] == LIST
    made = site.by_code("a-1")
    assert made is not None
    assert (str(made.amount), made.usage_limit, made.ticket_limit) == ("40", None, 1)
    form = FORM | csrf | {"_method": "PUT", "code": "B-1"}
    visitor.post(f"{LIST}/{made.id}", data=form)
    assert [row.code for row in site.discounts.values()] == ["B-1"]
    visitor.post(f"{LIST}/{made.id}", data=csrf | {"_method": "DELETE"})
    assert site.discounts == {}


def test_a_wrong_form_comes_back_with_what_was_typed(visitor: httpx.Client, site: Site) -> None:
    csrf = {"_token": log_in(visitor, site)}
    site.add("TAKEN")
    back = visitor.post(LIST, data=FORM | csrf | {"code": "taken"}).headers["Location"]
    page = visitor.get(back).text
    assert "The code has already been taken." in page
    assert 'value="taken"' in page
    assert "already been taken" not in visitor.get(back).text


def test_the_list_is_paged_and_searched(visitor: httpx.Client, site: Site) -> None:
    log_in(visitor, site)
    for number in range(25):
        site.add(f"GUEST-{number:02}")
    first = visitor.get(LIST).text
    assert first.count("<tr data-id") == 20
    assert f"{LIST}?search=&amp;page=2" in first
    assert visitor.get(f"{LIST}?search=&page=2").text.count("<tr data-id") == 5
    assert visitor.get(f"{LIST}?search=guest-1").text.count("<tr data-id") == 10
    assert "No discount codes found." in visitor.get(f"{LIST}?search=nobody").text


def test_it_runs_as_a_program() -> None:
    command = [sys.executable, "-m", "tests.simulators.fienta", "--codes", "3", "--event", "42"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            site = Site(event="42")
            with httpx.Client(base_url=process.stdout.readline().strip()) as visitor:
                shown = visitor.get("/auth/login")
                form = {"_token": token(shown), "email": site.email, "password": site.password}
                visitor.post("/auth/login", data=form)
                assert "GUEST-0003" in visitor.get("/my/events/42/discounts").text
        finally:
            process.terminate()
