"""STARTTLS, TLS and logins, against aiosmtpd."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from campaign_service.rendering import OutgoingMail
from campaign_service.sending.outcomes import Accepted
from campaign_service.sending.smtp import SmtpConnection, SmtpError, SmtpSettings, Timeouts

QUICK = Timeouts(connect=5, greeting=5, command=5, content=5)
MAIL = OutgoingMail("b@m.example.com", "a@example.com", b"Subject: x\r\n\r\nx\r\n")


@pytest.fixture
def server_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that this test alone trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.com")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return context


def check_login(server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"us@er", b"p:w")
    return AuthResult(success=good, handled=good)


@asynccontextmanager
async def server(ssl_context: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[int]:
    listener = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Sink(), hostname="mail.example.com", **options), "127.0.0.1", 0, ssl=ssl_context
    )
    async with listener:
        yield listener.sockets[0].getsockname()[1]


async def deliver(settings: SmtpSettings) -> None:
    connection = await SmtpConnection.open(settings)
    outcomes = await connection.send([MAIL, MAIL])
    await connection.quit()
    assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted]


async def test_starttls_with_a_login(server_context: ssl.SSLContext) -> None:
    options: dict[str, Any] = {"require_starttls": True, "authenticator": check_login, "auth_required": True}
    async with server(tls_context=server_context, **options) as port:
        url = f"smtp+starttls://us%40er:p%3Aw@127.0.0.1:{port}"
        await deliver(SmtpSettings.from_url(url, timeouts=QUICK))
        with pytest.raises(SmtpError, match="AUTH refused"):
            await deliver(SmtpSettings.from_url(url.replace("p%3Aw", "wrong"), timeouts=QUICK))


async def test_auth_login_where_there_is_no_plain(server_context: ssl.SSLContext) -> None:
    options: dict[str, Any] = {
        "require_starttls": True,
        "authenticator": check_login,
        "auth_exclude_mechanism": ["PLAIN"],
    }
    async with server(tls_context=server_context, **options) as port:
        await deliver(
            SmtpSettings.from_url(f"smtp+starttls://us%40er:p%3Aw@127.0.0.1:{port}", timeouts=QUICK)
        )


async def test_tls_from_the_start(server_context: ssl.SSLContext) -> None:
    async with server(ssl_context=server_context) as port:
        await deliver(SmtpSettings.from_url(f"smtps://127.0.0.1:{port}", timeouts=QUICK))


async def test_an_unknown_certificate_is_refused(
    server_context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with server(tls_context=server_context) as port:
        with pytest.raises(SmtpError, match="TLS failed"):
            await deliver(SmtpSettings.from_url(f"smtp+starttls://127.0.0.1:{port}", timeouts=QUICK))
