"""The few pages that people outside see, in English and French."""

from __future__ import annotations

import base64
import html
import re
from typing import Literal

from fastapi.responses import HTMLResponse

PageLanguage = Literal["en", "fr"]
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'",
}
_TEXTS: dict[PageLanguage, dict[str, str]] = {
    "en": {
        "ask_title": "Unsubscribe",
        "ask": "Do you want to stop receiving our e-mails at {address}?",
        "button": "Yes, unsubscribe me",
        "done_title": "You are unsubscribed",
        "done": "We will send no more e-mails to {address}.",
        "gone_title": "This link is not valid",
        "gone": "It may have been cut off, or it is too old.",
    },
    "fr": {
        "ask_title": "Se désabonner",
        "ask": "Voulez-vous ne plus recevoir nos e-mails à l’adresse {address} ?",
        "button": "Oui, me désabonner",
        "done_title": "Vous êtes désabonné",
        "done": "Nous n’enverrons plus d’e-mails à l’adresse {address}.",
        "gone_title": "Ce lien n’est pas valable",
        "gone": "Il a peut-être été coupé, ou il est trop ancien.",
    },
}
_PAGE = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1.5rem}}
body{{color:#1c2430;background:#fff}}
button{{font:inherit;padding:.6rem 1.4rem;border:0;border-radius:.4rem;background:#1c4fd8;color:#fff}}
</style></head><body><main><h1>{title}</h1><p>{text}</p>{form}</main></body></html>"""
_RANGE = re.compile(r"\s*([a-zA-Z]{1,8})(?:-[a-zA-Z0-9-]+)?\s*(?:;\s*q=([0-9.]{1,5}))?\s*")


def page_language(accept_language: str) -> PageLanguage:
    """French when the browser prefers it to English, else English."""
    best: tuple[float, PageLanguage] = (0.0, "en")
    for part in accept_language.split(",")[:20]:
        match = _RANGE.fullmatch(part)
        if match is None:
            continue
        code = match[1].lower()
        weight = _weight(match[2])
        if code == "fr" and weight > best[0]:
            best = (weight, "fr")
        elif code == "en" and weight > best[0]:
            best = (weight, "en")
    return best[1]


def _weight(text: str | None) -> float:
    try:
        return 1.0 if text is None else float(text)
    except ValueError:
        return 0.0


def masked(address: str) -> str:
    """`a***@example.com`: enough to recognise one's own, not to read another's."""
    local, _, domain = address.partition("@")
    return f"{local[:1]}***@{domain}"


def ask_page(language: PageLanguage, address: str) -> HTMLResponse:
    """Asks; only its button acts."""
    button = html.escape(_TEXTS[language]["button"])
    form = (
        f'<form method="post"><input type="hidden" name="via" value="page"><button>{button}</button></form>'
    )
    return _page(language, "ask", address, form)


def done_page(language: PageLanguage, address: str) -> HTMLResponse:
    return _page(language, "done", address)


def gone_page(language: PageLanguage) -> HTMLResponse:
    """Says the same for every link that is not good: cut off, forged or outlived."""
    return _page(language, "gone", "", status=404)


def _page(language: PageLanguage, name: str, address: str, form: str = "", status: int = 200) -> HTMLResponse:
    texts = _TEXTS[language]
    body = _PAGE.format(
        lang=language,
        title=html.escape(texts[f"{name}_title"]),
        text=html.escape(texts[name].format(address=masked(address))),
        form=form,
    )
    return HTMLResponse(body, status_code=status, headers=_HEADERS | {"Content-Language": language})
