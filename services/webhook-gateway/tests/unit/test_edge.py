"""Host, path and header rules; trusted proxies; CORS; the routing table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config import load_settings
from shared.errors import ConfigurationError, UnauthorizedError
from webhook_gateway.edge.addresses import client_address, parse_networks, rate_limit_bucket
from webhook_gateway.edge.checks import is_valid_host, routed_path
from webhook_gateway.edge.cors import CorsPolicy
from webhook_gateway.edge.errors import MalformedRequestError
from webhook_gateway.edge.headers import fold, request_headers, response_headers
from webhook_gateway.identity.credentials import credential
from webhook_gateway.routing.table import RoutingTable, is_counted, is_public, is_upload
from webhook_gateway.settings import GatewaySettings


@pytest.mark.parametrize(
    "host", [b"a", b"gateway.test", b"a_b:8000", b"127.0.0.1:80", b"[::1]", b"[::1]:8000", b"a.test."]
)
def test_plain_hosts_are_valid(host: bytes) -> None:
    assert is_valid_host(host)


OTHER_HOSTS = b""" |a b|a,b|u@a|a/|a:|a:0|a:65536|a:x|[::1|.a|-a|a..b|a?b|a#b|a\xe9|"""


@pytest.mark.parametrize("host", [*OTHER_HOSTS.split(b"|"), b"a" * 256])
def test_other_hosts_are_not(host: bytes) -> None:
    assert not is_valid_host(host)


@given(st.binary(max_size=60))
def test_a_routed_path_never_holds_what_a_service_could_read_otherwise(tail: bytes) -> None:
    try:
        path = routed_path(b"/t/" + tail)
    except MalformedRequestError:
        return
    segments = path.split("/")
    assert not {".", ".."} & set(segments)
    assert "" not in segments[1:-1]
    assert not any(ord(char) < 32 or char in "\\\x7f" for char in path)


def test_paths_are_decoded_once_for_routing() -> None:
    assert routed_path(b"/codes/a%20b%25c") == "/codes/a b%c"
    assert routed_path(b"/t/") == "/t/"


def test_aliases_of_identity_headers_are_dropped() -> None:
    given_headers = [
        (b"x-user-id", b"1"),
        (b"x_user_id", b"2"),
        (b"x.tenant.id", b"3"),
        (b"content_type", b"text/evil"),
        (b"content-type", b"text/plain"),
        (b"accept", b"*/*"),
    ]

    assert request_headers(given_headers, None) == [(b"content-type", b"text/plain"), (b"accept", b"*/*")]


@given(st.text("abcXYZ-_.", min_size=1, max_size=20))
def test_folding_leaves_one_spelling(name: str) -> None:
    folded = fold(name.encode())

    assert folded == fold(folded)
    assert not set(folded) & set(b"_.ABCXYZ")


def test_connection_names_headers_to_drop_from_answers() -> None:
    headers = [(b"Connection", b"close, X-Gone"), (b"X-Gone", b"1"), (b"ETag", b"2")]

    assert response_headers(headers) == [(b"etag", b"2")]


def test_forwarded_address_counts_only_behind_a_trusted_proxy() -> None:
    trusted = parse_networks("10.0.0.0/8, ::1/128")
    chain = [b"198.51.100.1, 203.0.113.5", b"10.0.0.7"]

    assert client_address("10.0.0.9", chain, trusted) == "203.0.113.5"
    assert client_address("192.0.2.1", chain, trusted) == "192.0.2.1"
    assert client_address("10.0.0.9", chain, ()) == "10.0.0.9"
    assert client_address("10.0.0.9", [b"garbage"], trusted) == "10.0.0.9"


def test_limits_count_an_ipv6_network_as_one() -> None:
    assert rate_limit_bucket("2001:db8::1") == rate_limit_bucket("2001:db8::ffff:1")
    assert rate_limit_bucket("2001:db8::1") != rate_limit_bucket("2001:db8:0:1::1")
    assert rate_limit_bucket("::ffff:192.0.2.1") == rate_limit_bucket("192.0.2.1") == "192.0.2.1"


def test_cors_answers_only_listed_origins() -> None:
    policy = CorsPolicy.parse("https://app.example.com, https://b.example.com/")
    known = dict(policy.preflight_headers(b"https://app.example.com"))
    unknown = dict(policy.preflight_headers(b"https://evil.example.com"))

    assert known[b"access-control-allow-origin"] == b"https://app.example.com"
    assert b"x-api-key" in known[b"access-control-allow-headers"]
    assert b"access-control-allow-origin" not in unknown
    assert CorsPolicy.parse("").headers(b"https://app.example.com") == []
    assert b"access-control-allow-credentials" not in dict(CorsPolicy.parse("*").headers(b"https://x.test"))


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        ("/auth", "/auth"),
        ("/auth/login", "/auth"),
        ("/api/v2/webhooks/powermta", "/api/v2/webhooks"),
        ("/api/v2/webhooks/health", "/api/v2/webhooks/health"),
        ("/integrations/webhooks/processed", "/integrations/webhooks/processed"),
        ("/t/o/x", "/t"),
        ("/l/abc", "/l"),
        ("/codes/A-1/mark-used", "/codes"),
        ("/batch-jobs", "/batch-jobs"),
        ("/authx", None),
        ("/api/v2", None),
        ("/internal/users", None),
        ("/", None),
        ("", None),
    ],
)
def test_longest_prefix_of_whole_segments_wins(path: str, prefix: str | None) -> None:
    route = RoutingTable().match(path)

    assert (route.prefix if route else None) == prefix


def test_public_and_upload_rules_are_exact() -> None:
    route = RoutingTable().match("/auth/login")
    assert route is not None
    assert is_public(route, "POST", "/auth/login")
    assert not is_public(route, "GET", "/auth/login")
    assert not is_public(route, "POST", "/auth/login/")
    assert is_upload("POST", "/api/v2/contacts/t1/import")
    assert not is_upload("PUT", "/api/v2/contacts/t1/import")
    assert not is_upload("POST", "/api/v2/contacts/t1/x/import")
    for path in ("attachments/t1", "templates/t1/x/attachments", "campaigns/t1/x/attachments", "messages/t1"):
        assert is_upload("POST", f"/api/v2/{path}")
        assert not is_upload("POST", f"/api/v2/{path}/more")


def test_a_token_goes_before_a_key_and_doubles_are_refused() -> None:
    both = credential([(b"x-api-key", b"k"), (b"authorization", b"Bearer t")])
    assert both is not None
    assert (both.token, both.key) == ("t", None)
    assert credential([]) is None
    with pytest.raises(UnauthorizedError):
        credential([(b"x-api-key", b"k"), (b"x-admin-key", b"other")])


def test_old_paths_of_short_links_are_public_and_no_others_of_links() -> None:
    route = RoutingTable().match("/links/abc/redirect")
    assert route is not None
    assert is_public(route, "GET", "/links/abc/redirect")
    assert not is_counted(route, "GET", "/links/abc/redirect")
    assert is_counted(route, "GET", "/links/abc")
    for method, path in [
        ("POST", "/links/abc/redirect"),
        ("GET", "/links"),
        ("GET", "/links/abc"),
        ("GET", "/links/abc/stats"),
        ("GET", "/links/abc/x/redirect"),
        ("GET", "/links/abc/redirect/stats"),
    ]:
        assert not is_public(route, method, path)


@pytest.mark.parametrize("name", ["TRUSTED_PROXIES", "METRICS_NETWORKS"])
def test_networks_that_are_none_are_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "10.0.0.0/8, load-balancer")
    with pytest.raises(ConfigurationError, match=f"{name}: 'load-balancer'"):
        load_settings(GatewaySettings)
