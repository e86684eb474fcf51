"""Short links, and the public addresses that lead on."""

from __future__ import annotations

import html
from collections.abc import Callable, Coroutine
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute

from code_service.actor import Operator
from code_service.links import repository, service
from code_service.links.qr import qr_response
from code_service.links.recorder import recorder_of
from code_service.links.schemas import (
    DeletedLink,
    InternalLinksIn,
    LinkIn,
    LinkOut,
    LinkStats,
    LinkUpdate,
    ShortLink,
)
from code_service.links.visit import click_of
from shared.errors import UnprocessableError
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import CurrentUser, Page, ReadTx, Runtime, RuntimeDep, ServiceCaller, TenantTx

router = APIRouter(prefix="/links", tags=["links"])


class _DirectRoute(APIRoute):
    """A route whose endpoint takes the request as it is: finding out that nothing else is to be parsed or
    converted costs FastAPI more than a redirect.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


internal_router = APIRouter(prefix="/internal/links", tags=["internal"])
public_router = APIRouter(tags=["redirects"], route_class=_DirectRoute)

_REDIRECT_HEADERS = {
    "Cache-Control": "private, no-store, max-age=0",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}
_PAGES = {404: "This link does not exist.", 410: "This link is no longer in use."}
Scale = Annotated[int, Query(ge=1, le=40, description="Pixels a module")]


@router.post("", status_code=201, responses=error_responses(400, 401, 403, 409, 422))
async def create_link(body: LinkIn, by: Operator, tx: TenantTx, rt: RuntimeDep) -> ApiResponse[LinkOut]:
    """A short link. UTM parameters are merged into the address. 409 when the slug is taken."""
    return success_response(service.present(await service.create(tx, rt, by.tenant_id, body), rt))


@router.get("", responses=error_responses(400, 401, 422))
async def list_links(
    user: CurrentUser,
    page: Page,
    tx: ReadTx,
    rt: RuntimeDep,
    q: Annotated[
        str | None,
        Query(max_length=200, pattern=r"^[^\x00]*$", description="Part of slug, title or address"),
    ] = None,
) -> ApiResponse[list[LinkOut]]:
    """Newest first."""
    rows = await repository.page(tx, user.tenant_id, q, page.value(0), page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], lambda row: service.present(row, rt))


@router.get("/{link_id}", responses=error_responses(401, 404, 422))
async def get_link(link_id: UUID, user: CurrentUser, tx: ReadTx, rt: RuntimeDep) -> ApiResponse[LinkOut]:
    return success_response(service.present(await service.get(tx, user.tenant_id, link_id), rt))


@router.patch("/{link_id}", responses=error_responses(400, 401, 403, 404, 422))
async def update_link(
    link_id: UUID, body: LinkUpdate, by: Operator, tx: TenantTx, rt: RuntimeDep
) -> ApiResponse[LinkOut]:
    """Fields that are given change. `is_active: false` switches it off: it answers 410 then."""
    if {"url", "is_active", "utm"} & {n for n in body.model_fields_set if getattr(body, n) is None}:
        raise UnprocessableError("url, utm and is_active cannot be null")
    return success_response(service.present(await service.update(tx, rt, by.tenant_id, link_id, body), rt))


@router.delete("/{link_id}", responses=error_responses(401, 403, 404, 422))
async def delete_link(link_id: UUID, by: Operator, tx: TenantTx, rt: RuntimeDep) -> ApiResponse[DeletedLink]:
    """The link answers 410 from now on; nobody else gets its slug."""
    await service.delete(tx, rt, by.tenant_id, link_id)
    return success_response(DeletedLink(id=link_id))


@router.get("/{link_id}/stats", responses=error_responses(401, 404, 422))
async def link_stats(
    link_id: UUID,
    user: CurrentUser,
    tx: ReadTx,
    since: Annotated[date | None, Query(alias="from", description="First UTC day")] = None,
    until: Annotated[date | None, Query(alias="to", description="Last UTC day")] = None,
) -> ApiResponse[LinkStats]:
    """Clicks by day, referrer and device."""
    return success_response(await service.stats(tx, user.tenant_id, link_id, since, until))


@router.get(
    "/{link_id}/qr.svg",
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": {}}}, **error_responses(401, 404, 422)},
)
async def link_qr_svg(
    link_id: UUID, user: CurrentUser, tx: ReadTx, rt: RuntimeDep, scale: Scale = 8
) -> Response:
    """The short address as a QR code."""
    found = await service.get(tx, user.tenant_id, link_id)
    return qr_response(service.short_url(rt, found["short_id"]), "svg", scale)


@router.get(
    "/{link_id}/qr.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **error_responses(401, 404, 422)},
)
async def link_qr_png(
    link_id: UUID, user: CurrentUser, tx: ReadTx, rt: RuntimeDep, scale: Scale = 8
) -> Response:
    """The same as a bitmap."""
    found = await service.get(tx, user.tenant_id, link_id)
    return qr_response(service.short_url(rt, found["short_id"]), "png", scale)


@internal_router.post("", responses=error_responses(401, 422))
async def links_for_service(
    body: InternalLinksIn, _: ServiceCaller, rt: RuntimeDep
) -> ApiResponse[list[ShortLink]]:
    """Links in the name of a tenant, in the order asked for. The same reference gets the same one."""
    async with rt.db.tenant_tx(body.tenant_id) as tx:
        return success_response(await service.create_many(tx, rt, body.tenant_id, body.links))


#: Described here, because the endpoints read it from the request.
_SHORT_ID = {
    "parameters": [{"name": "short_id", "in": "path", "required": True, "schema": {"type": "string"}}],
}


@public_router.get(
    "/l/{short_id}",
    response_class=RedirectResponse,
    status_code=302,
    responses={404: {}, 410: {}},
    openapi_extra=_SHORT_ID,
)
async def follow_short_link(request: Request) -> Response:
    """On to the address that was stored. Nothing in the request can choose where."""
    return await _follow(request)


@public_router.head(
    "/l/{short_id}",
    response_class=RedirectResponse,
    status_code=302,
    responses={404: {}, 410: {}},
    openapi_extra=_SHORT_ID,
)
async def probe_short_link(request: Request) -> Response:
    """What scanners do before they click."""
    return await _follow(request)


@public_router.get(
    "/links/{short_id}/redirect",
    response_class=RedirectResponse,
    status_code=302,
    responses={404: {}, 410: {}},
    openapi_extra=_SHORT_ID,
)
async def redirect_link(request: Request) -> Response:
    """The same under its older path."""
    return await _follow(request)


@public_router.head(
    "/links/{short_id}/redirect",
    response_class=RedirectResponse,
    status_code=302,
    responses={404: {}, 410: {}},
    openapi_extra=_SHORT_ID,
)
async def probe_link(request: Request) -> Response:
    """What scanners do before they click."""
    return await _follow(request)


async def _follow(request: Request) -> Response:
    short_id: str = request.path_params["short_id"]
    runtime: Runtime = request.app.state.runtime
    # Postgres has no NUL in text; such an id cannot exist.
    found = await service.destination(runtime, short_id) if "\x00" not in short_id else None
    if found is None or not found.is_open(runtime.clock.now()):
        return _page(404 if found is None else 410)
    recorder_of(runtime).add(click_of(request, runtime, found.tenant_id, found.link_id))
    return Response(status_code=302, headers=_REDIRECT_HEADERS | {"Location": found.target_url})


def _page(status: int) -> Response:
    text = html.escape(_PAGES[status])
    body = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{text}</title><p>{text}</p></html>'
    return HTMLResponse(body, status_code=status, headers=_REDIRECT_HEADERS)
