"""Forged and misused access tokens against the verifier every service uses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm

from auth_service.security.access_tokens import NewKey, Subject, generate_key, public_jwk, sign
from shared.errors import UnauthorizedError
from shared.testing import FakeClock
from shared.utils.tokens import JwksCache, TokenVerifier

pytestmark = pytest.mark.unit

ISSUER = "https://tidings.example.com"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY: NewKey = generate_key()
SUBJECT = Subject(uuid4(), uuid4(), "viewer", ("read",), uuid4(), email_verified=True)


def good() -> str:
    return sign(SUBJECT, kid=KEY.kid, private=KEY.private, issuer=ISSUER, now=NOW, ttl=timedelta(minutes=10))


def verifier(*keys: dict[str, str], clock: FakeClock | None = None) -> TokenVerifier:
    async def fetch() -> dict[str, Any]:
        return {"keys": [public_jwk(KEY.kid, KEY.public_x), *keys]}

    time = clock or FakeClock(NOW)
    return TokenVerifier(JwksCache(fetch, time), ISSUER, time)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(KEY.private)


def claims(**changes: Any) -> dict[str, Any]:
    """Claims of the good token with single ones replaced; None removes."""
    decoded = jwt.decode(good(), options={"verify_signature": False}) | changes
    return {name: value for name, value in decoded.items() if value is not None}


def signed(payload: dict[str, Any] | bytes, **header: Any) -> str:
    """Signed by the true key, whatever header and payload say."""
    head = {"alg": "EdDSA", "typ": "at+jwt", "kid": KEY.kid} | header
    head = {name: value for name, value in head.items() if value is not None}
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    message = f"{b64(json.dumps(head).encode())}.{b64(raw)}"
    return f"{message}.{b64(private_key().sign(message.encode()))}"


def unsigned(alg: str, signature: str = "") -> str:
    head = b64(json.dumps({"alg": alg, "typ": "at+jwt", "kid": KEY.kid}).encode())
    return f"{head}.{b64(json.dumps(claims()).encode())}.{signature}"


def hmac_with(secret: bytes, alg: str = "HS256") -> str:
    """Key confusion: the public key used as the secret of an HMAC."""
    head = b64(json.dumps({"alg": alg, "typ": "at+jwt", "kid": KEY.kid}).encode())
    message = f"{head}.{b64(json.dumps(claims()).encode())}"
    return f"{message}.{b64(hmac.digest(secret, message.encode(), hashlib.sha256))}"


def public_pem() -> bytes:
    return private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def own_key(**header: Any) -> str:
    """Signed by the attacker, with the attacker's key offered in the header."""
    attacker = Ed25519PrivateKey.generate()
    public: Any = OKPAlgorithm.to_jwk(attacker.public_key(), as_dict=True)
    offered = {name: (public if value == "jwk" else value) for name, value in header.items()}
    head = {"kid": KEY.kid, "typ": "at+jwt"} | offered
    return jwt.encode(claims(), attacker, algorithm="EdDSA", headers=head)


def other_algorithm(alg: str, key: Any) -> str:
    return jwt.encode(claims(), key, algorithm=alg, headers={"kid": KEY.kid, "typ": "at+jwt"})


def duplicate_claims() -> str:
    raw = json.dumps(claims()).encode()
    return signed(raw[:-1] + b', "role": "owner"}')


def second_part_of(other: str) -> str:
    head, _, signature = good().split(".")
    return f"{head}.{other}.{signature}"


ATTACKS: dict[str, Callable[[], str]] = {
    "alg none": lambda: unsigned("none"),
    "alg None": lambda: unsigned("None"),
    "alg NONE": lambda: unsigned("NONE"),
    "alg nOnE": lambda: unsigned("nOnE"),
    "alg none with a signature": lambda: unsigned("none", good().rpartition(".")[2]),
    "alg empty": lambda: unsigned(""),
    "alg missing": lambda: signed(claims(), alg=None),
    "true signature, alg HS256": lambda: signed(claims(), alg="HS256"),
    "true signature, alg Ed25519": lambda: signed(claims(), alg="ES256"),
    "no signature": lambda: unsigned("EdDSA"),
    "zero signature": lambda: unsigned("EdDSA", b64(bytes(64))),
    "confusion with the PEM": lambda: hmac_with(public_pem()),
    "confusion with the PEM on one line": lambda: hmac_with(public_pem().replace(b"\n", b"")),
    "confusion with the PEM indented": lambda: hmac_with(b"  " + public_pem().replace(b"\n", b"\n  ")),
    "confusion with the raw key": lambda: hmac_with(base64.urlsafe_b64decode(KEY.public_x + "=")),
    "confusion with the JWK text": lambda: hmac_with(json.dumps(public_jwk(KEY.kid, KEY.public_x)).encode()),
    "confusion with x": lambda: hmac_with(KEY.public_x.encode()),
    "confusion with an empty key": lambda: hmac_with(b""),
    "another key": lambda: own_key(),
    "embedded jwk": lambda: own_key(jwk="jwk"),
    "embedded jku": lambda: own_key(jku="https://evil.test/jwks.json"),
    "embedded x5u": lambda: own_key(x5u="https://evil.test/cert.pem"),
    "embedded x5c": lambda: own_key(x5c=["MIIB"]),
    "RS256": lambda: other_algorithm("RS256", rsa.generate_private_key(65537, 2048)),
    "ES256": lambda: other_algorithm("ES256", ec.generate_private_key(ec.SECP256R1())),
    "wrong audience": lambda: signed(claims(aud="another")),
    "audience list with ours": lambda: signed(claims(aud=["tidings", "another"])),
    "audience list of ours": lambda: signed(claims(aud=["tidings"])),
    "no audience": lambda: signed(claims(aud=None)),
    "audience as prefix": lambda: signed(claims(aud="tidings-internal")),
    "no exp": lambda: signed(claims(exp=None)),
    "exp as text": lambda: signed(claims(exp="9999999999")),
    "exp true": lambda: signed(claims(exp=True)),
    "expired": lambda: signed(claims(exp=int(NOW.timestamp()) - 31)),
    "no iat": lambda: signed(claims(iat=None)),
    "iat in the future": lambda: signed(claims(iat=int(NOW.timestamp()) + 60)),
    "not yet valid": lambda: signed(claims(nbf=int(NOW.timestamp()) + 60)),
    "no sub": lambda: signed(claims(sub=None)),
    "no issuer": lambda: signed(claims(iss=None)),
    "foreign issuer": lambda: signed(claims(iss="https://evil.test")),
    "issuer as prefix": lambda: signed(claims(iss=ISSUER + ".evil.test")),
    "issuer with a slash": lambda: signed(claims(iss=ISSUER + "/")),
    "issuer list": lambda: signed(claims(iss=[ISSUER])),
    "typ JWT": lambda: signed(claims(), typ="JWT"),
    "typ of an id token": lambda: signed(claims(), typ="id+jwt"),
    "no typ": lambda: signed(claims(), typ=None),
    "crit": lambda: signed(claims(), crit=["exp"], exp=1),
    "crit b64": lambda: signed(claims(), crit=["b64"], b64=False),
    "empty crit": lambda: signed(claims(), crit=[]),
    "no kid": lambda: signed(claims(), kid=None),
    "unknown kid": lambda: signed(claims(), kid="unknown"),
    "kid path": lambda: signed(claims(), kid="../../../../dev/null"),
    "kid SQL": lambda: signed(claims(), kid=f"{KEY.kid}' OR '1'='1"),
    "kid list": lambda: signed(claims(), kid=[KEY.kid]),
    "kid number": lambda: signed(claims(), kid=1),
    "kid with a null byte": lambda: signed(claims(), kid=f"{KEY.kid}\x00"),
    "duplicate claims": duplicate_claims,
    "payload swapped": lambda: second_part_of(b64(json.dumps(claims(role="owner")).encode())),
    "payload no object": lambda: signed(b"[1]"),
    "payload no JSON": lambda: signed(b"\xff\xfe"),
    "four parts": lambda: good() + ".x",
    "two parts": lambda: good().rpartition(".")[0],
    "five parts": lambda: f"{good()}.{good()}",
    "white space inside": lambda: good().replace(".", ". "),
    "empty": lambda: "",
    "dots": lambda: "..",
    "not ASCII": lambda: "é.é.é",
    "refresh token": lambda: "td_rt_" + "A" * 91,
    "very long": lambda: "A" * 200_000,
}


async def test_the_good_token_is_accepted() -> None:
    identity = await verifier().identity(good())
    assert (identity.user_id, identity.tenant_id) == (SUBJECT.user_id, SUBJECT.tenant_id)
    assert identity.scopes == {"read"}
    assert await verifier().claims(signed(claims()))


@pytest.mark.parametrize("name", ATTACKS)
async def test_attack_is_refused(name: str) -> None:
    with pytest.raises(UnauthorizedError):
        await verifier().identity(ATTACKS[name]())


@pytest.mark.parametrize(
    "change",
    [
        {"role": "root"},
        {"role": None},
        {"tenant_id": "not a uuid"},
        {"tenant_id": None},
        {"sub": "../admin"},
        {"knd": "service"},
    ],
)
async def test_claims_that_make_no_identity_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UnauthorizedError):
        await verifier().identity(signed(claims(**change)))


async def test_a_key_of_another_kind_in_the_key_set_is_not_used() -> None:
    """Even a published symmetric or RSA key opens no door: one algorithm for every key."""
    secret = b"published by mistake".ljust(32)
    symmetric = {"kty": "oct", "kid": "sym", "k": b64(secret), "alg": "HS256"}
    head = b64(json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": "sym"}).encode())
    message = f"{head}.{b64(json.dumps(claims()).encode())}"
    token = f"{message}.{b64(hmac.digest(secret, message.encode(), hashlib.sha256))}"
    with pytest.raises(UnauthorizedError):
        await verifier(symmetric).identity(token)


async def test_times_have_thirty_seconds_of_leeway() -> None:
    clock = FakeClock(NOW)
    check = verifier(clock=clock)
    clock.advance(600 + 30)
    await check.identity(good())
    clock.advance(1)
    with pytest.raises(UnauthorizedError, match="expired"):
        await check.identity(good())


async def test_invented_key_ids_do_not_flood_the_key_server() -> None:
    fetched = 0
    clock = FakeClock(NOW)

    async def fetch() -> dict[str, Any]:
        nonlocal fetched
        fetched += 1
        return {"keys": [public_jwk(KEY.kid, KEY.public_x)]}

    check = TokenVerifier(JwksCache(fetch, clock), ISSUER, clock)
    await check.identity(good())
    for n in range(200):
        with pytest.raises(UnauthorizedError):
            await check.identity(signed(claims(), kid=f"invented-{n}"))
    assert fetched == 1
    clock.advance(31)
    for n in range(200):
        with pytest.raises(UnauthorizedError):
            await check.identity(signed(claims(), kid=f"invented-{n}"))
    assert fetched == 2


async def test_token_of_an_api_key_is_not_a_users() -> None:
    subject = Subject(uuid4(), uuid4(), "operator", ("read", "write"), uuid4(), True, kind="api_key")
    token = sign(subject, kid=KEY.kid, private=KEY.private, issuer=ISSUER, now=NOW, ttl=timedelta(minutes=5))
    assert (await verifier().identity(token)).kind == "api_key"


@pytest.mark.parametrize(("claimed", "believed"), [(True, True), (False, False), (None, False)])
async def test_an_address_counts_as_proven_when_the_token_says_so(
    claimed: bool | None, believed: bool
) -> None:
    identity = await verifier().identity(signed(claims(email_verified=claimed)))
    assert identity.email_verified is believed
