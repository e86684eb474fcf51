"""Where the links of a text are, and what is put in their place."""

from __future__ import annotations

from collections.abc import Callable

from campaign_service.rendering.links import rewrite_text
from campaign_service.rendering.markup import Masked

_MOST = 2048  # what a short link may lead to
#: As long as the short ids that code-service makes, for texts that are counted before there are any.
SAMPLE_ID = "1234567"
Shorten = Callable[[str], str | None]


class _Rewriting:
    def __init__(self, shorten: Shorten) -> None:
        self._shorten = shorten

    def address(self, _: Masked, url: str) -> str | None:
        return self._shorten(url)


def rewritten(source: str, shorten: Shorten) -> str:
    """The Liquid source with other links; those that hold merge fields stay as they are."""
    masked = Masked(source)
    rewrite_text(masked, _Rewriting(shorten))
    return masked.unmask(masked.html)


def urls_in(source: str, base: str) -> list[str]:
    """The links that get a short one, each once."""
    found: dict[str, None] = {}

    def note(url: str) -> None:
        if is_shortened(url, base):
            found[url] = None

    rewritten(source, note)
    return list(found)


def is_shortened(url: str, base: str) -> bool:
    """Those below `base` are ours, and short as they are."""
    return len(url) <= _MOST and not url.lower().startswith(base.lower())
