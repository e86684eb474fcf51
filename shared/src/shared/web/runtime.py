"""What one running service holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.config import CommonConfig
from shared.database import SimpleDatabase
from shared.utils.clock import Clock, SystemClock
from shared.utils.service_client import ServiceClient
from shared.utils.tokens import FetchJwks, TokenVerifier

if TYPE_CHECKING:
    import asyncio

    from shared.cache import Cache
    from shared.events import EventBus
    from shared.jobs import JobRunner


@dataclass(slots=True)
class Runtime:
    """The parts of a service, built in its lifespan and handed to routes, consumers and jobs.

    `extras` is for what one service alone has; `ready` turns false when it begins to stop.
    """

    name: str
    config: CommonConfig
    db: SimpleDatabase
    events: EventBus
    jobs: JobRunner
    cache: Cache
    verifier: TokenVerifier
    http: ServiceClient
    clock: Clock
    extras: dict[str, Any] = field(default_factory=dict)
    ready: bool = False


@dataclass(slots=True)
class Overrides:
    """What a test puts in the place of a part: set as `app.state.overrides` before the app starts."""

    db: SimpleDatabase | None = None
    fetch_jwks: FetchJwks | None = None
    clock: Clock = field(default_factory=SystemClock)


Hook = Callable[[Runtime], Awaitable[None]]
BackgroundTask = Callable[[Runtime, "asyncio.Event"], Awaitable[None]]
