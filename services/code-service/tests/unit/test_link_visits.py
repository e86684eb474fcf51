import pytest

from code_service.links.visit import device_of, judge, referrer_host

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
)
ANDROID = "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36"
TABLET = "Mozilla/5.0 (Linux; Android 16; SM-X710) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"


@pytest.mark.parametrize("agent", [FIREFOX, IPHONE, ANDROID, TABLET, "Mozilla/5.0 (Linux; CUBOT X30) Mobile"])
def test_browsers_are_people(agent: str) -> None:
    assert judge("GET", agent) == "human"


@pytest.mark.parametrize(
    "agent",
    [
        "",
        "curl/8.5",
        "http.rb/5.1.1 (Mastodon/4.2; +https://social.test/)",
        "Mozilla/5.0 (compatible; Googlebot/2.1)",
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
        "Mozilla/5.0 HeadlessChrome/140.0",
        "python-requests/2.32",
        "WhatsApp/2.23",
        "Barracuda Sentinel (EE)",
    ],
)
def test_programs_are_scanners(agent: str) -> None:
    assert judge("GET", agent) == "scanner"


def test_probing_and_loading_ahead_are_no_clicks() -> None:
    assert judge("HEAD", FIREFOX) == "scanner"
    assert judge("GET", FIREFOX, "prefetch;prerender") == "scanner"


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (FIREFOX, "desktop"),
        (IPHONE, "mobile"),
        (ANDROID, "mobile"),
        (TABLET, "tablet"),
        ("Mozilla/5.0", "other"),
    ],
)
def test_devices(agent: str, device: str) -> None:
    assert device_of(agent) == device


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("https://News.Example.com/secret?token=1", "news.example.com"),
        ("", ""),
        ("about:blank", ""),
        ("https://[broken", ""),
        ("https://a b.test/", ""),
        ("android-app://com.example.mail/", "com.example.mail"),
    ],
)
def test_only_the_host_of_a_referrer_is_kept(referrer: str, host: str) -> None:
    assert referrer_host(referrer) == host
