"""Password hashing (argon2id) and the rules a new password must meet."""

from __future__ import annotations

import asyncio
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from auth_service.settings import AuthSettings
from shared.errors import ServiceUnavailableError, ValidationError
from shared.utils.validation import MAX_PASSWORD_LENGTH, validate_password

T = TypeVar("T")

_LEET = str.maketrans("013457@$!", "oleastasi")
_PRODUCT_WORDS = ("tidings", "password", "passwort", "motdepasse")
_REPEATED_UNIT = re.compile(r"^(.{1,4}?)\1+(.{0,3})$", re.DOTALL)
# What is left of a password once a guessable word is cut out must still be worth guessing.
_LEAST_REST = 8


class WeakPasswordError(ValidationError):
    code = "WEAK_PASSWORD"


@dataclass(frozen=True, slots=True)
class Verification:
    """`outdated`: the password is right, but its hash was made with other parameters."""

    ok: bool
    outdated: bool = False


class PasswordHasher:
    """argon2id in worker threads. Never call it inside a transaction: it takes about 80 ms.

    At most `hash_concurrency` hashes run at a time and `hash_queue` wait; beyond that callers get 503
    at once, so that a flood of logins cannot take all memory.
    """

    def __init__(self, settings: AuthSettings) -> None:
        self._argon2 = argon2.PasswordHasher(
            time_cost=settings.argon2_time_cost,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
        )
        self._slots = asyncio.Semaphore(settings.hash_concurrency)
        self._threads = ThreadPoolExecutor(settings.hash_concurrency, thread_name_prefix="argon2")
        self._room = settings.hash_concurrency + settings.hash_queue
        self._pending = 0
        # Made now, with the live parameters: a fixed one would cost another time after they change.
        self._dummy = self._argon2.hash(secrets.token_urlsafe(24))

    async def hash(self, password: str) -> str:
        return await self._run(lambda: self._argon2.hash(_prepare(password)))

    async def verify(self, stored: str | None, password: str) -> Verification:
        """Without a stored hash (unknown user) the same work is done on a dummy, and the answer is no."""
        target = stored or self._dummy
        result = await self._run(lambda: self._check(target, _prepare(password)))
        return result if stored else Verification(ok=False)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _check(self, stored: str, password: str) -> Verification:
        try:
            self._argon2.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return Verification(ok=False)
        return Verification(ok=True, outdated=self._argon2.check_needs_rehash(stored))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._pending >= self._room:
            raise ServiceUnavailableError("Too many sign-ins at once", retry_after=1)
        self._pending += 1
        try:
            async with self._slots:
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._pending -= 1


def _prepare(password: str) -> str:
    # A longer input can never have been accepted as a password; cutting bounds the work.
    return unicodedata.normalize("NFC", password[: MAX_PASSWORD_LENGTH * 4])[: MAX_PASSWORD_LENGTH + 1]


@cache
def _common_passwords() -> frozenset[str]:
    text = files("auth_service.security").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(text.split())


def check_new_password(password: str, context: Iterable[str] = (), field: str = "password") -> str:
    """The password in NFC form, or `WeakPasswordError` when it is common or built around `context` words.

    `context` holds what an attacker knows: organisation, names, the address. 12 to 256 characters, no
    composition rules.
    """
    text = validate_password(password, field)
    if _is_common(text) or _is_built_from(text, context):
        raise WeakPasswordError(
            f"{field} is too easy to guess: choose one that is not a common pattern", field=field
        )
    return text


def _is_common(password: str) -> bool:
    folded = password.casefold()
    if folded in _common_passwords() or folded[::-1] in _common_passwords():
        return True
    repeated = _REPEATED_UNIT.match(folded)
    if repeated and repeated[1].startswith(repeated[2]):
        return True
    return _stem(folded) in _common_passwords()


def _stem(folded: str) -> str:
    """The word inside usual decorations: `P@ssw0rd-2024!!` gives `password`."""
    trimmed = re.sub(r"[\W\d_]+$", "", re.sub(r"^[\W\d_]+", "", folded))
    return re.sub(r"[\W\d_]", "", trimmed.translate(_LEET))


def _is_built_from(password: str, context: Iterable[str]) -> bool:
    folded = password.casefold()
    words = {word for part in context for word in re.split(r"[\W_]+", part.casefold()) if len(word) >= 4}
    for word in words.union(_PRODUCT_WORDS):
        for form in (folded, folded.translate(_LEET)):
            rest = re.sub(r"[\W\d_]", "", form.replace(word, ""))
            if word in form and len(rest) < _LEAST_REST:
                return True
    return False
