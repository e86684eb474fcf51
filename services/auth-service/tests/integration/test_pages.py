"""The pages behind the links in mails."""

from __future__ import annotations

import re

import pytest

from .support import Accounts

PAGES = ["/auth/verify-email", "/auth/password/forgot", "/auth/password/reset"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("accept", "language"), [("", "en"), ("fr-FR,en;q=0.5", "fr"), ("de", "en")])
async def test_page_shows_a_form_that_posts_to_its_own_path(
    accounts: Accounts, path: str, accept: str, language: str
) -> None:
    answer = await accounts.client.get(path, headers={"accept-language": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert f'<html lang="{language}">' in answer.text
    assert f'<form method="post" action="{path}"' in answer.text
    assert "<script>" not in answer.text
    assert "{" not in answer.text


@pytest.mark.parametrize("path", PAGES)
async def test_everything_a_page_loads_is_there(accounts: Accounts, path: str) -> None:
    page = (await accounts.client.get(path)).text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(loaded) == 2
    for url in loaded:
        answer = await accounts.client.get(url)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(("text/css", "text/javascript"))


async def test_links_in_mails_open_pages_and_opening_changes_nothing(accounts: Accounts) -> None:
    ada = await accounts.register(verify=False)
    await accounts.forgot(ada.email)
    for template in ("auth.verify_email", "auth.password_reset"):
        url = (await accounts.mails(template))[-1]["variables"]["url"]
        opened = await accounts.client.get(url.removeprefix("http://localhost:8000"))
        assert opened.status_code == 200
    token = await accounts.mailed_token("auth.verify_email")
    assert (await accounts.client.post("/auth/verify-email", json={"token": token})).status_code == 200
