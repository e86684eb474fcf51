"""The addresses in our mails: pixel, links, unsubscribe. Public; the token says who it is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import RedirectResponse

from campaign_service.deliveries.rows import clean
from campaign_service.settings import site_of
from campaign_service.tracking import pages, service
from campaign_service.tracking.hits import Hit
from campaign_service.tracking.recorder import HitRecorder
from campaign_service.tracking.verdict import HitKind
from campaign_service.tracking.visitor import visitor_of
from shared.errors import NotFoundError
from shared.utils import uuid7
from shared.web import Runtime, RuntimeDep

router = APIRouter(prefix="/t", tags=["tracking"])

_NO_STORE = {"Cache-Control": "no-store, max-age=0", "X-Robots-Tag": "noindex, nofollow"}
_PIXEL_HEADERS = _NO_STORE | {"Content-Type": "image/gif"}
_LINK_HEADERS = _NO_STORE | {"Referrer-Policy": "no-referrer"}
_MAX_INDEX_DIGITS = 5
AcceptLanguage = Annotated[str, Header(alias="Accept-Language")]


def _client_ip(request: Request) -> str:
    """The address the gateway saw, which it appends to X-Forwarded-For."""
    forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return forwarded or (request.client.host if request.client else "")


def _hit(
    request: Request,
    runtime: Runtime,
    token: str,
    kind: HitKind,
    link_index: int | None,
    source: str = "web",
) -> Hit | None:
    subject = site_of(runtime).tokens.read(token)
    if subject is None:
        return None
    now = runtime.clock.now()
    return Hit(
        tenant_id=subject.tenant_id,
        campaign_id=subject.campaign_id,
        contact_id=subject.contact_id,
        kind=kind,
        at=now,
        link_index=link_index,
        method=request.method,
        user_agent=clean(request.headers.get("user-agent"), 500),
        visitor=visitor_of(runtime, _client_ip(request), now),
        dedupe_key=uuid7().bytes,
        source=source,
    )


def _recorder(runtime: Runtime) -> HitRecorder:
    recorder: HitRecorder = runtime.extras.setdefault("hit_recorder", HitRecorder(runtime))
    return recorder


@router.get("/o/{token}", response_class=Response, responses={200: {"content": {"image/gif": {}}}})
async def opened(token: str, request: Request, runtime: RuntimeDep) -> Response:
    """The pixel. It is served whatever the token is worth, so that no mail shows a broken picture."""
    hit = _hit(request, runtime, token, "open", None)
    if hit is not None:
        await _recorder(runtime).record(hit)
    return Response(pages.PIXEL, headers=_PIXEL_HEADERS)


@router.head("/o/{token}", response_class=Response)
async def pixel_probed(token: str) -> Response:
    """What link checkers ask. Nothing was shown, so nothing is recorded."""
    return Response(headers=_PIXEL_HEADERS)


@router.get("/c/{token}.{index}", response_class=RedirectResponse, status_code=302, responses={404: {}})
async def clicked(
    token: str, index: str, request: Request, runtime: RuntimeDep, accept_language: AcceptLanguage = ""
) -> Response:
    """Go on to the link as the campaign stored it. Nothing in the request can choose where."""
    return await _follow(token, index, request, runtime, accept_language)


@router.head("/c/{token}.{index}", response_class=RedirectResponse, status_code=302, responses={404: {}})
async def probed(
    token: str, index: str, request: Request, runtime: RuntimeDep, accept_language: AcceptLanguage = ""
) -> Response:
    """What scanners do before they click."""
    return await _follow(token, index, request, runtime, accept_language)


@router.get("/c/{token}", response_class=Response, status_code=404)
async def cut_off(token: str, accept_language: AcceptLanguage = "") -> Response:
    """What is left of a link when a mail program breaks the line: a person sees a page."""
    return pages.gone_page(pages.page_language(accept_language))


@router.get("/h/{token}", response_class=Response, status_code=204)
async def trapped(token: str, request: Request, runtime: RuntimeDep) -> Response:
    """The link that no person sees. Who asks for it gives itself away, and gets nothing."""
    return await _trap(token, request, runtime)


@router.head("/h/{token}", response_class=Response, status_code=204)
async def trap_probed(token: str, request: Request, runtime: RuntimeDep) -> Response:
    """The same, asked for as scanners do."""
    return await _trap(token, request, runtime)


async def _trap(token: str, request: Request, runtime: Runtime) -> Response:
    hit = _hit(request, runtime, token, "click", None, "trap")
    if hit is not None:
        await _recorder(runtime).record(hit)
    return Response(status_code=204, headers=_NO_STORE)


async def _follow(
    token: str, index: str, request: Request, runtime: Runtime, accept_language: str
) -> Response:
    is_index = index.isascii() and index.isdigit() and len(index) <= _MAX_INDEX_DIGITS
    hit = _hit(request, runtime, token, "click", int(index)) if is_index else None
    url = await _recorder(runtime).record(hit) if hit else None
    if url is None:
        return pages.gone_page(pages.page_language(accept_language))
    return RedirectResponse(url, status_code=302, headers=_LINK_HEADERS)


@router.get("/u/{token}", response_class=Response, responses={200: {"content": {"text/html": {}}}, 404: {}})
async def ask_unsubscribe(token: str, runtime: RuntimeDep, accept_language: AcceptLanguage = "") -> Response:
    """A page that asks. Opening it changes nothing, for scanners open every link."""
    language = pages.page_language(accept_language)
    subject = site_of(runtime).tokens.read(token)
    if subject is None:
        return pages.gone_page(language)
    try:
        async with runtime.db.tenant_tx(subject.tenant_id) as tx:
            found = await service.subscription(tx, subject)
    except NotFoundError:
        return pages.gone_page(language)
    if found.since is not None:
        return pages.done_page(language, found.email)
    return pages.ask_page(language, found.email)


@router.head("/u/{token}", response_class=Response)
async def probe_unsubscribe(token: str) -> Response:
    """What link checkers ask. It tells and changes nothing."""
    return Response(headers=_NO_STORE)


@router.post("/u/{token}", response_class=Response, responses={200: {"content": {"text/html": {}}}, 404: {}})
async def unsubscribe(
    token: str, request: Request, runtime: RuntimeDep, accept_language: AcceptLanguage = ""
) -> Response:
    """Unsubscribe: the page's button, or a mail program's one click (RFC 8058), with any body or none."""
    language = pages.page_language(accept_language)
    subject = site_of(runtime).tokens.read(token)
    if subject is None:
        return pages.gone_page(language)
    body = await request.body()
    via: service.Via = "page" if b"via=page" in body[:4096] else "one_click"
    try:
        async with runtime.db.tenant_tx(subject.tenant_id) as tx:
            found = await service.unsubscribe(tx, runtime, subject, via, runtime.clock.now())
    except NotFoundError:
        return pages.gone_page(language)
    return pages.done_page(language, found.email)
