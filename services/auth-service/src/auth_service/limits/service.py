"""Limits on logins, registrations and mails, counted in Postgres so that all processes agree.

An account is never locked: failures make the next attempt wait, at most five minutes. A network that has
signed in to the account before waits for its own failures only, so strangers cannot keep the owner out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta

from auth_service.context import AuthContext, RequestInfo
from auth_service.limits import repository
from auth_service.limits.repository import Throttle
from auth_service.security.throttling import address_key, delay_after
from shared.database import Tx
from shared.errors import RateLimitError

_FORGET_AFTER = timedelta(days=1)
_HOUR = 3600
_DAY = 86400
_UNLIMITED = 1_000_000
# Sign-ins of one account being checked at a time; after the free failures only one.
_MOST_AT_ONCE = 20
_CHECK_TAKES = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A counted sign-in whose password is being checked: end it with one of the functions below."""

    bucket: str


async def begin_login(tx: Tx, auth: AuthContext, email: str, origin: RequestInfo, known: bool) -> Attempt:
    """Count an attempt before its password is checked, so that parallel guesses count too.

    `known` says that this network has signed in to the account before. Raises `RateLimitError` while the
    account or the network has to wait; then nothing is counted.
    """
    await _check_network(tx, auth, origin)
    account = f"login:{address_key(email)}"
    attempt = Attempt(f"{account}@{origin.network}" if known else account)
    throttle = await _throttle(tx, auth, attempt)
    # Read after the row was made: its `blocked_until` is the moment of its making.
    now = auth.now()
    if throttle.blocked_until > now:
        raise _wait((throttle.blocked_until - now).total_seconds(), "Too many failed sign-ins")
    free = throttle.failures < auth.settings.login_free_attempts
    allowed = max(1, _MOST_AT_ONCE - throttle.failures) if free else 1
    if throttle.in_flight >= allowed:
        raise _wait(1, "Too many sign-ins at once")
    begun = replace(throttle, in_flight=throttle.in_flight + 1, started_at=now, forget_at=now + _FORGET_AFTER)
    await repository.set_throttle(tx, attempt.bucket, begun)
    return attempt


async def _throttle(tx: Tx, auth: AuthContext, attempt: Attempt) -> Throttle:
    """The locked row without what is too old to count."""
    now = auth.now()
    throttle = await repository.lock_throttle(tx, attempt.bucket, now)
    if throttle.forget_at <= now:
        throttle = replace(throttle, failures=0)
    # A process that died in the middle must not keep its attempt for ever.
    return replace(throttle, in_flight=0) if throttle.started_at + _CHECK_TAKES <= now else throttle


async def _check_network(tx: Tx, auth: AuthContext, origin: RequestInfo) -> None:
    settings = auth.settings
    wait = await repository.take(
        tx, _network_key(origin), settings.login_ip_failures - 1, settings.login_ip_window, 0, auth.now()
    )
    if wait is not None:
        raise _wait(wait, "Too many failed sign-ins from your network")


async def login_failed(tx: Tx, auth: AuthContext, attempt: Attempt, origin: RequestInfo) -> None:
    """The account waits longer from now on. Only failures count against the network."""
    window = auth.settings.login_ip_window
    await repository.take(tx, _network_key(origin), _UNLIMITED, window, 1, auth.now())
    throttle = await _throttle(tx, auth, attempt)
    failures = throttle.failures + 1
    cap = timedelta(seconds=auth.settings.login_delay_cap)
    wait = delay_after(failures, auth.settings.login_free_attempts, cap)
    await _finish(tx, attempt, replace(throttle, failures=failures, blocked_until=auth.now() + wait))


async def login_succeeded(tx: Tx, auth: AuthContext, attempt: Attempt) -> None:
    throttle = await _throttle(tx, auth, attempt)
    await _finish(tx, attempt, replace(throttle, failures=0, blocked_until=auth.now()))


async def login_unchecked(tx: Tx, auth: AuthContext, attempt: Attempt) -> None:
    """The password could not be checked: no failure."""
    await _finish(tx, attempt, await _throttle(tx, auth, attempt))


async def _finish(tx: Tx, attempt: Attempt, throttle: Throttle) -> None:
    done = replace(throttle, in_flight=max(0, throttle.in_flight - 1))
    await repository.set_throttle(tx, attempt.bucket, done)


async def account_recovered(tx: Tx, email: str) -> None:
    """Whoever reset the password by mail starts afresh."""
    await repository.clear_account(tx, f"login:{address_key(email)}")


async def count_registration(tx: Tx, auth: AuthContext, email: str, origin: RequestInfo) -> None:
    """Raises `RateLimitError` when the network or the address has registered too often within an hour."""
    settings = auth.settings
    await _take(tx, auth, f"register:{origin.network}", settings.register_ip_limit, _HOUR)
    await _take(tx, auth, f"register:{address_key(email)}", settings.register_address_limit, _HOUR)


async def count_mail(tx: Tx, auth: AuthContext, purpose: str, email: str, origin: RequestInfo) -> None:
    """Raises `RateLimitError` when too many mails to an address were asked for within a day."""
    limit = auth.settings.mail_address_limit
    await _take(tx, auth, f"{purpose}:{origin.network}", limit * 20, _HOUR)
    await _take(tx, auth, f"{purpose}:{address_key(email)}", limit, _DAY)


async def _take(tx: Tx, auth: AuthContext, key: str, limit: int, window: int) -> None:
    wait = await repository.take(tx, key, limit, window, 1, auth.now())
    if wait is not None:
        raise _wait(wait, "Too many requests")


def _network_key(origin: RequestInfo) -> str:
    return f"login-failures:{origin.network}"


def _wait(seconds: float, message: str) -> RateLimitError:
    return RateLimitError(f"{message}; try again later", retry_after=max(1, math.ceil(seconds)))
