"""Password rules and hashing."""

from __future__ import annotations

import asyncio

import argon2
import pytest

from auth_service.security.passwords import PasswordHasher, WeakPasswordError, check_new_password
from auth_service.settings import AuthSettings
from shared.errors import ServiceUnavailableError, ValidationError

pytestmark = pytest.mark.unit

CHEAP = {"argon2_time_cost": 1, "argon2_memory_kib": 64, "argon2_parallelism": 1}


def settings(**changes: int) -> AuthSettings:
    return AuthSettings.model_validate(CHEAP | changes)


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "P@ssw0rd-2024!!",
        "qwertyuiop123",
        "123456789012",
        "aaaaaaaaaaaaa",
        "abcabcabcabc",
        "Sunshine2024!!!",
        "4321drowssap",
        "iloveyousomuch",
        "Liverpool#1892",
    ],
)
def test_common_passwords_are_refused(password: str) -> None:
    with pytest.raises(WeakPasswordError):
        check_new_password(password)


@pytest.mark.parametrize(
    "password",
    [
        "violet-otter-mends-kites",
        "tr4nsparent kettle hum",
        "лесная-дорога-к-озеру",
        "k3Yq0vWz8nTb",
        "a" * 5 + "Zq81.kfLmmXx",
    ],
)
def test_ordinary_long_passwords_are_accepted(password: str) -> None:
    assert check_new_password(password) == password


def test_words_known_about_the_account_do_not_make_a_password() -> None:
    with pytest.raises(WeakPasswordError):
        check_new_password("AcmeWidgets2024!", ["Acme Widgets", "ada@example.com"])
    with pytest.raises(WeakPasswordError):
        check_new_password("lovelace-12345", ["ada.lovelace@example.com"])
    assert check_new_password("acme and seven blue herons", ["Acme Widgets"])


@pytest.mark.parametrize(
    ("length", "accepted"), [(11, False), (12, True), (64, True), (256, True), (257, False)]
)
def test_length_is_counted_in_characters(length: int, accepted: bool) -> None:
    password = ("žluťoučký-kůň-" * 20)[:length]
    if accepted:
        assert check_new_password(password) == password
    else:
        with pytest.raises(ValidationError):
            check_new_password(password)


def test_composed_and_decomposed_spellings_are_one_password() -> None:
    composed, decomposed = "caf\u00e9-under-the-linden", "cafe\u0301-under-the-linden"
    assert check_new_password(decomposed) == composed


async def test_hash_is_verified_and_another_password_is_not() -> None:
    hasher = PasswordHasher(settings())
    stored = await hasher.hash("violet-otter-mends-kites")
    assert stored.startswith("$argon2id$")
    assert (await hasher.verify(stored, "violet-otter-mends-kites")).ok
    assert not (await hasher.verify(stored, "Violet-otter-mends-kites")).ok
    assert not (await hasher.verify("not a hash", "violet-otter-mends-kites")).ok


async def test_verification_ignores_unicode_spelling() -> None:
    hasher = PasswordHasher(settings())
    stored = await hasher.hash("caf\u00e9-under-the-linden")
    assert (await hasher.verify(stored, "cafe\u0301-under-the-linden")).ok


async def test_characters_beyond_the_cap_still_count_as_wrong() -> None:
    hasher = PasswordHasher(settings())
    stored = await hasher.hash("é" * 256)
    assert (await hasher.verify(stored, "é" * 256)).ok
    assert not (await hasher.verify(stored, "é" * 257)).ok
    assert not (await hasher.verify(stored, "é" * 100_000)).ok


async def test_old_parameters_are_reported_as_outdated() -> None:
    stored = await PasswordHasher(settings()).hash("violet-otter-mends-kites")
    newer = PasswordHasher(settings(argon2_time_cost=2))
    assert (await newer.verify(stored, "violet-otter-mends-kites")).outdated


async def test_unknown_user_costs_a_hash_with_the_live_parameters() -> None:
    hasher = PasswordHasher(settings(argon2_time_cost=2))
    parameters = argon2.extract_parameters(hasher._dummy)
    assert (parameters.time_cost, parameters.memory_cost, parameters.parallelism) == (2, 64, 1)
    assert not (await hasher.verify(None, "violet-otter-mends-kites")).ok


async def test_a_flood_of_sign_ins_is_refused_instead_of_queued_for_ever() -> None:
    hasher = PasswordHasher(settings(hash_concurrency=1, hash_queue=2))
    results = await asyncio.gather(*(hasher.hash(f"pass {n}") for n in range(10)), return_exceptions=True)
    refused = [r for r in results if isinstance(r, ServiceUnavailableError)]
    assert len(refused) == 7
    assert await hasher.hash("room again")
