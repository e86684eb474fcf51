"""One way to make a service: wiring, lifespan, health and errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from shared.cache import make_cache
from shared.config import CommonConfig, service_spec
from shared.database import SimpleDatabase
from shared.events import EventBus, dead_letters_router
from shared.jobs import JobRunner
from shared.utils.logging import logger
from shared.utils.service_client import ServiceClient
from shared.utils.tokens import JwksCache, TokenVerifier, fetch_jwks_from_auth_service
from shared.web import health
from shared.web.errors import install_error_handlers
from shared.web.health import VERSION
from shared.web.methods import routes_of
from shared.web.metrics import HttpMetrics
from shared.web.middleware import EdgeMiddleware
from shared.web.runtime import BackgroundTask, Hook, Overrides, Runtime

if TYPE_CHECKING:
    from shared.events import Consumer
    from shared.jobs import JobSpec, Schedule

_RESTART_SECONDS = 1.0
#: By the identity of the router that is included in it, and so lives as long.
_parents: dict[int, APIRouter] = {}


def create_service_app(
    *,
    name: str,
    config: CommonConfig,
    routers: Sequence[APIRouter] = (),
    consumers: Sequence[Consumer] = (),
    jobs: Sequence[JobSpec] = (),
    schedules: Sequence[Schedule] = (),
    startup: Sequence[Hook] = (),
    shutdown: Sequence[Hook] = (),
    background: Sequence[BackgroundTask] = (),
    body_limits: Mapping[str, int] | None = None,
    title: str | None = None,
) -> FastAPI:
    """The app of one service.

    `startup` runs before the service is ready, `shutdown` after its last request. `background` tasks,
    consumers and jobs run unless SERVICE_ROLE is `api`; they are started again when they fail. Routes
    are served unless it is `worker`. `body_limits` maps path patterns to larger (or smaller) limits in bytes.
    """
    parts = _Parts(name, config, consumers, jobs, schedules, startup, shutdown, background)
    included = [health.router]
    if config.service_role != "worker":
        included += [*routers, dead_letters_router()]
    app = FastAPI(
        routes=[route for router in included for route in _routes(router)],
        title=title or f"Tidings {name}",
        version=VERSION,
        lifespan=parts.lifespan,
        docs_url=None,
        redirect_slashes=False,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.state.overrides = Overrides()
    app.state.metrics = metrics = HttpMetrics(name)
    app.state.routes = routes_of(included)
    install_error_handlers(app)
    app.add_middleware(
        EdgeMiddleware, metrics=metrics, max_body=config.max_body_bytes, body_limits=body_limits
    )
    return app


def _routes(router: APIRouter) -> list[BaseRoute]:
    """What an app serves of a router. FastAPI analyses that once, however many apps a process makes of it."""
    parent = _parents.get(id(router))
    if parent is None:
        parent = _parents[id(router)] = APIRouter(generate_unique_id_function=_operation_id)
        parent.include_router(router)
    return parent.routes


def _operation_id(route: APIRoute) -> str:
    """`<tag>.<function>`, such as `campaigns.create`."""
    tag = str(route.tags[0]) if route.tags else "service"
    return f"{tag}.{route.name}"


class _Parts:
    """What the lifespan builds and takes down again."""

    def __init__(
        self,
        name: str,
        config: CommonConfig,
        consumers: Sequence[Consumer],
        jobs: Sequence[JobSpec],
        schedules: Sequence[Schedule],
        startup: Sequence[Hook],
        shutdown: Sequence[Hook],
        background: Sequence[BackgroundTask],
    ) -> None:
        self._name = name
        self._config = config
        self._consumers = consumers
        self._jobs = jobs
        self._schedules = schedules
        self._startup = startup
        self._shutdown = shutdown
        self._background = background

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            runtime = await self._build(app.state.overrides, stack)
            app.state.runtime = runtime
            for hook in self._startup:
                await hook(runtime)
            if self._config.service_role != "api":
                await self._start_work(runtime, stack)
            else:
                await runtime.events.start(consume=False)
                stack.push_async_callback(runtime.events.stop)
            runtime.ready = True
            logger.info("service ready", service=self._name, role=self._config.service_role)
            try:
                yield
            finally:
                runtime.ready = False
                for hook in self._shutdown:
                    await hook(runtime)

    async def _build(self, overrides: Overrides, stack: AsyncExitStack) -> Runtime:
        config = self._config
        db = overrides.db or SimpleDatabase(config.database, service_spec(self._name).schema)
        await db.connect()
        if overrides.db is None:
            stack.push_async_callback(db.close)
        cache = make_cache(db, config.redis_url)
        stack.push_async_callback(cache.close)
        http = ServiceClient(config.internal_service_key.get_secret_value())
        stack.push_async_callback(http.close)
        jwks = JwksCache(overrides.fetch_jwks or fetch_jwks_from_auth_service, overrides.clock)
        runtime = Runtime(
            name=self._name,
            config=config,
            db=db,
            events=EventBus(
                db,
                service=self._name,
                url=config.events_url.get_secret_value(),
                namespace=config.events_namespace,
            ),
            jobs=JobRunner(
                db,
                clock=overrides.clock,
                lease=config.job_lease_seconds,
                heartbeat=config.job_lease_seconds / 6,
            ),
            cache=cache,
            verifier=TokenVerifier(jwks, config.issuer, overrides.clock),
            http=http,
            clock=overrides.clock,
        )
        runtime.events.bind(runtime, self._consumers)
        runtime.jobs.bind(runtime, self._jobs, self._schedules)
        return runtime

    async def _start_work(self, runtime: Runtime, stack: AsyncExitStack) -> None:
        await runtime.events.start(consume=True)
        stack.push_async_callback(runtime.events.stop)
        await runtime.jobs.start()
        stack.push_async_callback(runtime.jobs.stop)
        stop = asyncio.Event()
        tasks = [asyncio.create_task(_keep_running(task, runtime, stop)) for task in self._background]
        stack.push_async_callback(_finish, stop, tasks)


async def _keep_running(task: BackgroundTask, runtime: Runtime, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await task(runtime, stop)
        except Exception as error:  # noqa: BLE001  # whatever broke it, the work has to go on
            logger.exception("background task failed; it starts again", task=task.__name__, error=error)
            await asyncio.sleep(_RESTART_SECONDS)
        else:
            return


async def _finish(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    stop.set()
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=20)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
