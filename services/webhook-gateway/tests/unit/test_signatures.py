"""Published vectors of each scheme, and everything malformed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from webhook_gateway.ingest.signatures import (
    HmacScheme,
    SignatureError,
    SignedRequest,
    verify_github,
    verify_hmac,
    verify_standard,
    verify_stripe,
    verify_twilio,
)

STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD_TIME = 1614265330
STANDARD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(STANDARD_TIME),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
TWILIO_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
TWILIO_CALL = urlencode(
    {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
).encode()


def signed(
    headers: dict[str, str], body: bytes = b"", *, url: str = TWILIO_URL, now: float = STANDARD_TIME
) -> SignedRequest:
    return SignedRequest(headers, body, url, now)


def test_standard_webhooks_vectors_verify() -> None:
    verify_standard(signed(STANDARD, STANDARD_BODY), STANDARD_SECRET)
    other = {
        "webhook-id": "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        "webhook-timestamp": "1649367553",
        "webhook-signature": "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    }
    body = b'{"email":"test@example.com","username":"test_user"}'
    verify_standard(signed(other, body, now=1649367553), "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")


@pytest.mark.parametrize("secret", [STANDARD_SECRET, STANDARD_SECRET.removeprefix("whsec_")])
def test_standard_prefix_is_optional_and_svix_names_are_accepted(secret: str) -> None:
    svix = {name.replace("webhook", "svix"): value for name, value in STANDARD.items()}

    verify_standard(signed(svix, STANDARD_BODY), secret)


def test_standard_accepts_one_right_signature_among_wrong_ones() -> None:
    wrong = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="
    listed = f"{wrong} v2,abc {wrong} {STANDARD['webhook-signature']}"

    verify_standard(signed({**STANDARD, "webhook-signature": listed}, STANDARD_BODY), STANDARD_SECRET)


@pytest.mark.parametrize("missing", [1, 2])
def test_standard_accepts_a_secret_without_its_padding(missing: int) -> None:
    key = bytes(range(24 + missing))
    content = b"id.%d." % STANDARD_TIME + STANDARD_BODY
    signature = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    headers = {**STANDARD, "webhook-id": "id", "webhook-signature": f"v1,{signature}"}

    verify_standard(signed(headers, STANDARD_BODY), base64.b64encode(key).decode().rstrip("="))


def test_standard_verifies_ed25519() -> None:
    key = Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    content = f"{STANDARD['webhook-id']}.{STANDARD_TIME}.".encode() + STANDARD_BODY
    signature = base64.b64encode(key.sign(content)).decode()
    headers = {**STANDARD, "webhook-signature": f"v1a,{signature}"}

    verify_standard(signed(headers, STANDARD_BODY), f"whpk_{public}")
    with pytest.raises(SignatureError):
        verify_standard(signed(headers, STANDARD_BODY + b" "), f"whpk_{public}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="),
        ("webhook-signature", "v1,"),
        ("webhook-signature", "v1"),
        ("webhook-signature", "garbage"),
        ("webhook-signature", "v1,a,b"),
        ("webhook-signature", "v1,g0hM9SsE"),
        ("webhook-signature", "v1,\xe9"),
        ("webhook-signature", ""),
        ("webhook-id", ""),
        ("webhook-timestamp", ""),
        ("webhook-timestamp", "hello"),
        ("webhook-timestamp", "1614265330.5"),
        ("webhook-timestamp", "-1614265330"),
        ("webhook-timestamp", "9" * 400),
        ("webhook-timestamp", str(STANDARD_TIME + 301)),
        ("webhook-timestamp", str(STANDARD_TIME - 301)),
    ],
)
def test_malformed_standard_webhook_is_refused(name: str, value: str) -> None:
    with pytest.raises(SignatureError):
        verify_standard(signed({**STANDARD, name: value}, STANDARD_BODY), STANDARD_SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "whpk_", "whpk_AAAA"])
def test_standard_refuses_an_unusable_secret(secret: str) -> None:
    with pytest.raises(SignatureError):
        verify_standard(signed(STANDARD, STANDARD_BODY), secret)


def test_standard_takes_any_bytes_as_body() -> None:
    with pytest.raises(SignatureError):
        verify_standard(signed(STANDARD, b"\xff\xfe\x00"), STANDARD_SECRET)


def stripe_header(body: bytes, secret: str, time: int = STANDARD_TIME) -> str:
    mac = hmac.new(secret.encode(), f"{time}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={time},v1={mac}"


def test_stripe_signature_verifies_also_beside_others() -> None:
    header = stripe_header(b"{}", "whsec_test")

    verify_stripe(signed({"stripe-signature": header}, b"{}"), "whsec_test")
    verify_stripe(signed({"stripe-signature": f"{header},v1=bad,v0=worse"}, b"{}"), "whsec_test")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "garbage",
        "t=1614265330",
        "v1=abc",
        f"t={STANDARD_TIME},v1=",
        f"t={STANDARD_TIME},t={STANDARD_TIME},v1=a",
        stripe_header(b"{}", "whsec_test").replace("v1=", "v0="),
        stripe_header(b"{}", "whsec_test", STANDARD_TIME - 301),
        stripe_header(b"{}", "other"),
        stripe_header(b"{} ", "whsec_test"),
    ],
)
def test_malformed_stripe_signature_is_refused(header: str) -> None:
    with pytest.raises(SignatureError):
        verify_stripe(signed({"stripe-signature": header}, b"{}"), "whsec_test")


def test_github_vector_verifies() -> None:
    header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    verify_github(signed({"x-hub-signature-256": header}, b"Hello, World!"), "It's a Secret to Everybody")


@pytest.mark.parametrize("header", ["", "sha256=", "sha256", "sha1=abc", "757107ea", "sha256=\xe9"])
def test_malformed_github_signature_is_refused(header: str) -> None:
    with pytest.raises(SignatureError):
        verify_github(signed({"x-hub-signature-256": header}, b"Hello, World!"), "secret")


@pytest.mark.parametrize(
    ("signature", "url"),
    [
        ("RSOYDt4T1cUTdK1PDd93/VVr8B8=", TWILIO_URL),
        ("kvajT1Ptam85bY51eRf/AJRuM3w=", TWILIO_URL),
        ("Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", "http://mycompany.com:1234/myapp.php?foo=1&bar=2"),
        ("0ZXoZLH/DfblKGATFgpif+LLRf4=", "http://mycompany.com/myapp.php?foo=1&bar=2"),
    ],
)
def test_twilio_form_vectors_verify_with_and_without_port(signature: str, url: str) -> None:
    verify_twilio(signed({"x-twilio-signature": signature}, TWILIO_CALL, url=url), "12345")


def test_twilio_counts_repeated_fields() -> None:
    body = b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234"

    verify_twilio(signed({"x-twilio-signature": "IK+Dwps556ElfBT0I3Rgjkr1wJU="}, body), "12345")


def test_twilio_json_covers_the_body_by_its_hash() -> None:
    body = b'{"property": "value", "boolean": true}'
    url = f"{TWILIO_URL}&bodySHA256={hashlib.sha256(body).hexdigest()}"
    headers = {"x-twilio-signature": "a9nBmqA0ju/hNViExpshrM61xv4="}

    verify_twilio(signed(headers, body, url=url), "12345")
    with pytest.raises(SignatureError):
        verify_twilio(signed(headers, body + b" ", url=url), "12345")


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=1&" * 1000, b"", b"%zz=%"])
def test_malformed_twilio_form_is_refused(body: bytes) -> None:
    with pytest.raises(SignatureError):
        verify_twilio(signed({"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}, body), "12345")


def test_custom_scheme_signs_as_described() -> None:
    scheme = HmacScheme(
        header="X-Sig",
        algorithm="sha512",
        encoding="base64",
        prefix="v=",
        template="{timestamp}:{body}",
        timestamp_header="X-Time",
    )
    mac = hmac.new(b"key", f"{STANDARD_TIME}:hello".encode(), hashlib.sha512).digest()
    headers = {"x-sig": "v=" + base64.b64encode(mac).decode(), "x-time": str(STANDARD_TIME)}

    verify_hmac(signed(headers, b"hello"), "key", scheme)
    for broken in ({"x-sig": headers["x-sig"]}, {**headers, "x-sig": headers["x-sig"][2:]}):
        with pytest.raises(SignatureError):
            verify_hmac(signed(broken, b"hello"), "key", scheme)


@pytest.mark.parametrize("verify", [verify_standard, verify_stripe, verify_github, verify_twilio])
@given(value=st.text(max_size=200), body=st.binary(max_size=50), secret=st.text(max_size=40))
def test_no_input_raises_anything_but_a_refusal(
    verify: Callable[[SignedRequest, str], None], value: str, body: bytes, secret: str
) -> None:
    names = ["stripe-signature", "x-hub-signature-256", "x-twilio-signature", *STANDARD]

    with pytest.raises(SignatureError):
        verify(signed(dict.fromkeys(names, value), body), secret)
