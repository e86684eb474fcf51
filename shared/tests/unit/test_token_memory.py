"""A token that was verified once is remembered, and no longer than it may be."""

from typing import Any
from uuid import UUID

import jwt
import pytest

from shared.errors import UnauthorizedError
from shared.testing import FakeClock, TokenMint
from shared.utils import tokens
from shared.utils.tokens import JwksCache, TokenVerifier

ISSUER = "http://localhost:8000"


class Verifications:
    """A verifier, its clock and the keys that are published."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock()
        self.mint = self.published = TokenMint()
        self.verifier = TokenVerifier(JwksCache(self.fetch, self.clock), ISSUER, self.clock)
        self.checked = 0
        check = jwt.decode

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.checked += 1
            return check(*args, **kwargs)

        monkeypatch.setattr(jwt, "decode", counted)

    async def fetch(self) -> dict[str, Any]:
        return await self.published.fetch_jwks()

    def token(self, tenant: UUID, seconds: int) -> str:
        now = int(self.clock.now().timestamp())
        return self.mint.token(tenant, iat=now, exp=now + seconds)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Verifications:
    return Verifications(monkeypatch)


async def test_the_signature_of_a_token_is_checked_once(made: Verifications, tenant_a: UUID) -> None:
    token = made.token(tenant_a, 600)
    first = await made.verifier.claims(token)
    first["role"] = "changed by a caller"
    assert (await made.verifier.claims(token))["role"] == "owner"
    assert made.checked == 1
    await made.verifier.claims(made.token(tenant_a, 601))
    assert made.checked == 2


async def test_a_remembered_token_expires_on_time(made: Verifications, tenant_a: UUID) -> None:
    token = made.token(tenant_a, 60)
    await made.verifier.claims(token)
    made.clock.advance(60 + tokens.LEEWAY_SECONDS + 1)
    with pytest.raises(UnauthorizedError) as caught:
        await made.verifier.claims(token)
    assert caught.value.details == {"reason": "TOKEN_EXPIRED"}


async def test_a_remembered_token_ends_with_its_key(made: Verifications, tenant_a: UUID) -> None:
    token = made.token(tenant_a, 7200)
    await made.verifier.claims(token)
    made.published = TokenMint()
    made.clock.advance(601)
    with pytest.raises(UnauthorizedError):
        await made.verifier.claims(token)


async def test_a_changed_token_is_not_the_remembered_one(made: Verifications, tenant_a: UUID) -> None:
    token = made.token(tenant_a, 600)
    await made.verifier.claims(token)
    for changed in (token[:-4] + "AAAA", token + "A", token.replace(".", "..", 1)):
        with pytest.raises(UnauthorizedError):
            await made.verifier.claims(changed)


async def test_only_so_many_tokens_are_remembered(
    made: Verifications, tenant_a: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_REMEMBERED", 2)
    texts = [made.token(tenant_a, 600 + number) for number in range(3)]
    for text in (*texts, texts[2], texts[0]):
        await made.verifier.claims(text)
    assert made.checked == 4
