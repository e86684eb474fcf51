"""The site's answers."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.simulators.fienta import pages
from tests.simulators.fienta.state import Discount, Session, Site

_COOKIE = "fienta_session"
_Answer = Callable[[Request, Site, Session], Awaitable[Response]]


def make_app(site: Site) -> Starlette:
    """The site as an ASGI app; `site` may be changed while it runs."""
    discounts = "/my/events/{event}/discounts"
    return Starlette(
        routes=[
            _route(site, "GET", "/auth/login", _show_login),
            _route(site, "POST", "/auth/login", _log_in),
            _route(site, "GET", discounts, _organiser(_list)),
            _route(site, "POST", discounts, _organiser(_save)),
            _route(site, "GET", discounts + "/create", _organiser(_show_form)),
            _route(site, "GET", discounts + "/{discount:int}/edit", _organiser(_show_form)),
            _route(site, "POST", discounts + "/{discount:int}", _organiser(_save)),
        ]
    )


def _route(site: Site, method: str, path: str, answer: _Answer) -> Route:
    async def endpoint(request: Request) -> Response:
        name = f"{method} {path.rsplit('/', 1)[-1]}"
        site.hits[name] = site.hits.get(name, 0) + 1
        if site.faults.slow:
            await asyncio.sleep(site.faults.slow)
        if site.faults.broken:
            site.faults.broken -= 1
            return _page(500, "Server Error")
        return await _with_session(request, site, answer)

    return Route(path, endpoint, methods=[method])


async def _with_session(request: Request, site: Site, answer: _Answer) -> Response:
    key = request.cookies.get(_COOKIE, "")
    session = site.sessions.get(key)
    if session is None:
        key, session = secrets.token_urlsafe(24), Session()
        site.sessions[key] = session
    if request.method == "POST" and not hmac.compare_digest(await _field(request, "_token"), session.csrf):
        return _page(419, "Page Expired")
    response = await answer(request, site, session)
    if session.is_logged_in and request.url.path == "/auth/login":
        # A new id at login, so that nobody can have planted the old one.
        site.sessions[new := secrets.token_urlsafe(24)] = site.sessions.pop(key)
        key = new
    response.set_cookie(_COOKIE, key, httponly=True, samesite="lax")
    return response


async def _field(request: Request, name: str) -> str:
    value = (await request.form()).get(name, "")
    return value if isinstance(value, str) else ""


def _page(status: int, text: str) -> Response:
    return HTMLResponse(pages.page(text, f"<h1>{status}</h1><p>{text}</p>"), status_code=status)


async def _show_login(request: Request, site: Site, session: Session) -> Response:
    if session.is_logged_in:
        return RedirectResponse(f"/my/events/{site.event}/discounts", 302)
    answer = HTMLResponse(pages.login(session, site))
    session.errors, session.old = {}, {}
    return answer


async def _log_in(request: Request, site: Site, session: Session) -> Response:
    email, password = await _field(request, "email"), await _field(request, "password")
    if (email, password) != (site.email, site.password):
        session.errors = {"email": "These credentials do not match our records."}
        session.old = {"email": email}
        return RedirectResponse("/auth/login", 302)
    session.is_logged_in = True
    site.logins += 1
    return RedirectResponse(f"/my/events/{site.event}/discounts", 302)


def _organiser(answer: _Answer) -> _Answer:
    """For organisers who are logged in, on an event of theirs."""

    async def checked(request: Request, site: Site, session: Session) -> Response:
        if site.faults.expire_after is not None:
            site.faults.expire_after -= 1
            if site.faults.expire_after < 0:
                site.faults.expire_after = None
                session.is_logged_in = False
        if not session.is_logged_in:
            return RedirectResponse("/auth/login", 302)
        if request.path_params["event"] != site.event:
            return _page(404, "Not Found")
        return await answer(request, site, session)

    return checked


async def _list(request: Request, site: Site, session: Session) -> Response:
    query = request.query_params
    number = int(query.get("page", "1")) if query.get("page", "1").isdigit() else 1
    return HTMLResponse(pages.listing(session, site, query.get("search", ""), max(1, number)))


async def _show_form(request: Request, site: Site, session: Session) -> Response:
    found = _discount(request, site)
    if found is None and "discount" in request.path_params:
        return _page(404, "Not Found")
    if site.faults.rival:
        site.add(site.faults.rival)
        site.faults.rival = ""
    answer = HTMLResponse(pages.form(session, site, found))
    session.errors, session.old = {}, {}
    return answer


def _discount(request: Request, site: Site) -> Discount | None:
    number: int = request.path_params.get("discount", 0)
    return site.discounts.get(number)


async def _save(request: Request, site: Site, session: Session) -> Response:
    found = _discount(request, site)
    url = f"/my/events/{site.event}/discounts"
    if found is None and "discount" in request.path_params:
        return _page(404, "Not Found")
    method = await _field(request, "_method")
    if found is not None and method == "DELETE":
        return _delete(site, session, found, url)
    form = {name: (await _field(request, name)).strip() for name in pages.FORM_FIELDS}
    errors = site.save(form, found)
    if errors:
        session.errors, session.old = errors, form
        return RedirectResponse(f"{url}/{found.id}/edit" if found else f"{url}/create", 302)
    session.notice = "Discount code updated." if found else "Discount code created."
    return RedirectResponse(url, 302)


def _delete(site: Site, session: Session, found: Discount, url: str) -> Response:
    if found.orders:
        session.errors = {"code": "A discount code that has been used cannot be deleted."}
        return RedirectResponse(f"{url}/{found.id}/edit", 302)
    if not site.faults.is_forgetful:
        del site.discounts[found.id]
    session.notice = "Discount code deleted."
    return RedirectResponse(url, 302)
