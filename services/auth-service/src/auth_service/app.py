"""auth-service: wiring only."""

from __future__ import annotations

from fastapi import FastAPI

from auth_service.api_keys.routes import router as api_keys
from auth_service.api_keys.usage import KeyUsage
from auth_service.audit.routes import router as audit
from auth_service.context import AuthContext
from auth_service.housekeeping import service as housekeeping
from auth_service.internal.routes import router as internal
from auth_service.login.routes import router as login
from auth_service.pages.routes import router as pages
from auth_service.passwords.jobs import JOBS
from auth_service.passwords.routes import router as passwords
from auth_service.registration.routes import router as registration
from auth_service.security.passwords import PasswordHasher
from auth_service.sessions.routes import router as sessions
from auth_service.settings import AuthSettings
from auth_service.signing_keys import rotation
from auth_service.signing_keys.keyring import KeyRing, OwnKeys
from auth_service.signing_keys.routes import router as keys
from auth_service.tenants.routes import router as tenants
from auth_service.users.routes import router as users
from shared.utils.crypto import SecretBox, derive_key
from shared.utils.tokens import FetchJwks, TokenVerifier
from shared.web import Runtime, create_service_app

NAME = "auth-service"
ROUTERS = (registration, login, sessions, passwords, users, tenants, api_keys, audit, keys, pages, internal)


def create_app(settings: AuthSettings, hasher: PasswordHasher | None = None) -> FastAPI:
    """The app. `hasher` replaces the one made from the settings."""

    async def start(rt: Runtime) -> None:
        await open_context(rt, settings, hasher, app.state.overrides.fetch_jwks)

    app = create_service_app(
        name=NAME,
        config=settings,
        routers=ROUTERS,
        jobs=JOBS,
        startup=[start],
        shutdown=[close_context],
        background=[rotation.run, housekeeping.run],
        title="Tidings accounts",
    )
    return app


async def open_context(
    rt: Runtime, settings: AuthSettings, hasher: PasswordHasher | None, extra_keys: FetchJwks | None
) -> None:
    """Give the runtime what auth-service has of its own, and let it verify with its own keys."""
    secret = settings.jwt_secret.get_secret_value()
    auth = AuthContext(
        settings=settings,
        clock=rt.clock,
        db=rt.db,
        events=rt.events,
        jobs=rt.jobs,
        hasher=hasher or PasswordHasher(settings),
        keyring=KeyRing(rt.db, settings, rt.clock),
        box=SecretBox(derive_key(secret, "auth session keys")),
        pepper=derive_key(secret, "auth api keys"),
        usage=KeyUsage(rt.db),
    )
    await auth.keyring.signer()
    rt.verifier = TokenVerifier(OwnKeys(auth.keyring, extra_keys), settings.issuer, rt.clock)
    rt.extras["auth"] = auth
    auth.usage.start()


async def close_context(rt: Runtime) -> None:
    auth: AuthContext = rt.extras["auth"]
    await auth.usage.stop()
    auth.hasher.close()
