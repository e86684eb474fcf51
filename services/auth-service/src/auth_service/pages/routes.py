"""Forms behind the links in mails, and their style and script."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.responses import Response

from auth_service.pages.texts import FAILED, NO_SCRIPT, PAGES, Language, Name, language_of

router = APIRouter(prefix="/auth", include_in_schema=False)

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_MEDIA_TYPES = {"page.css": "text/css", "page.js": "text/javascript"}


@cache
def _file(name: str) -> str:
    return files("auth_service.pages").joinpath(name).read_text("utf-8")


@cache
def _render(name: Name, language: Language) -> str:
    page = PAGES[name][language]
    fields = "".join(
        f'<label>{escape(label)}<input name="{field}" type="{kind}" autocomplete="{hint}" required></label>\n'
        for field, label, kind, hint in page.fields
    )
    return _file("page.html").format(
        language=language,
        name=name,
        title=escape(page.title),
        lead=escape(page.lead),
        fields=fields,
        button=escape(page.button),
        done=escape(page.done),
        failed=escape(FAILED[language]),
        no_script=escape(NO_SCRIPT[language]),
    )


def _show(name: Name, request: Request) -> Response:
    language = language_of(request.headers.get("accept-language", ""))
    return Response(_render(name, language), media_type="text/html", headers=_HEADERS)


@router.get("/verify-email")
async def verify_email(request: Request) -> Response:
    return _show("verify-email", request)


@router.get("/password/forgot")
async def forgot_password(request: Request) -> Response:
    return _show("password/forgot", request)


@router.get("/password/reset")
async def reset_password(request: Request) -> Response:
    return _show("password/reset", request)


@router.get("/pages/page.css")
async def style() -> Response:
    return _static("page.css")


@router.get("/pages/page.js")
async def script() -> Response:
    return _static("page.js")


def _static(name: str) -> Response:
    headers = _HEADERS | {"Cache-Control": "public, max-age=3600"}
    return Response(_file(name), media_type=_MEDIA_TYPES[name], headers=headers)
