"""A picture and the page of a step that failed, with nothing secret in them."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from playwright.async_api import Error, Page

from code_service.fienta import selectors
from code_service.fienta.port import KeepArtifact
from shared.utils.logging import logger

_BLANK = "•••"
_PICTURE_MS = 10_000.0


class Evidence:
    """Keeps what one worker saw. Without `keep` nothing is looked at."""

    def __init__(self, keep: KeepArtifact | None, secrets: Sequence[str]) -> None:
        self._keep = keep
        self._secrets = [form for secret in secrets if secret for form in (secret, html.escape(secret))]
        self._number = 0

    async def take(self, page: Page, step: str) -> None:
        """`01-create_code.png` and `.html`. Never raises for the page's sake: the failure itself matters."""
        if self._keep is None:
            return
        self._number += 1
        name = f"{self._number:02}-{step}"
        hidden = [page.locator("input[type=password]")]
        try:
            await _stop_loading(page)
            picture = await page.screenshot(mask=hidden, animations="disabled", timeout=_PICTURE_MS)
            await self._keep(f"{name}.png", picture)
            await self._keep(f"{name}.html", self.blanked(await page.content()).encode())
        except Error:
            logger.warning("a failed step could not be looked at", step=step)

    def blanked(self, text: str) -> str:
        """The text without passwords, tokens of forms, and what else belongs to one session."""
        for secret in self._secrets:
            text = text.replace(secret, _BLANK)
        for pattern in selectors.TOKENS:
            text = re.sub(pattern, rf"\g<1>{_BLANK}\g<2>", text)
        return text


async def _stop_loading(page: Page) -> None:
    """What still loads would keep picture and page waiting, and a script's `stop()` as well."""
    protocol = await page.context.new_cdp_session(page)
    await protocol.send("Page.stopLoading")
    await protocol.detach()
