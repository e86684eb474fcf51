"""Style sheets moved into `style` attributes, once per template version."""

from __future__ import annotations

import hashlib
import re

import css_inline

from .markup import MARK, Masked, contexts

_STYLE = re.compile(r"<style\b", re.IGNORECASE)
# Remote sheets are never loaded: a template must not make the server fetch addresses.
_INLINER = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False, keep_link_tags=True)


def inline_css(masked: Masked) -> list[str]:
    """Works on the masked HTML in place; answers warnings for the author."""
    if not _STYLE.search(masked.html):
        return []
    where = contexts(masked.html)
    if "tag" in where.values():
        return ["CSS is not inlined: Liquid stands between the attributes of an element"]
    word = _unused_word(masked.html)

    def hide(match: re.Match[str]) -> str:
        number = match.group(1)
        return f"{word}{number}x" if int(number) in where else f"<!--{word}{number}x-->"

    try:
        inlined = _INLINER.inline(MARK.sub(hide, masked.html))
    except css_inline.InlineError as error:
        return [f"CSS is not inlined: {error}"]
    shown = re.compile(f"<!--{word}(\\d+)x-->|{word}(\\d+)x")
    masked.html = shown.sub(lambda m: masked.pieces[int(m.group(1) or m.group(2))], inlined)
    return []


def _unused_word(text: str) -> str:
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
    return f"lq{digest}n"
