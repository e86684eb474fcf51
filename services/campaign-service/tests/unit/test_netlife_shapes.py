from typing import Any

import pytest
from yarl import URL

from campaign_service.netlife.client import NetlifeAPIClient, first_access_key, registered_user
from campaign_service.netlife.config import (
    ACTIVITY_CONFIG,
    ALLOWED_PORTALS,
    API_ENDPOINTS,
    PERFORMANCE_CONFIG,
    SMS_DEFAULTS,
    brand_of,
    get_timestamp,
    hash8,
    is_safe_address,
    shown_path,
)
from campaign_service.netlife.envelopes import Page, first_row, image_ids, read_page, resolve_next
from campaign_service.netlife.errors import PortalContractError
from campaign_service.netlife.mapping import map_subjects, subject_images
from campaign_service.netlife.output import FileOutput, S3Output, parse_output

ROWS = [{"uuid": "1"}, {"uuid": "2"}]
IMAGE = "0f8fad5b-d9cb-469f-a165-70867728950e"
BASE = URL("https://photos.example.com/api/v1")


@pytest.mark.parametrize(
    ("answer", "link", "page"),
    [
        ({"success": True, "data": ROWS, "meta": {"next": "/jobs?page=2"}}, "", Page(ROWS, "/jobs?page=2")),
        ({"success": True, "data": ROWS, "meta": {"next": None}}, "", Page(ROWS, None)),
        ({"data": ROWS, "meta": {"next_url": "/n"}}, "", Page(ROWS, "/n")),
        ({"results": ROWS, "next": "/api/v1/n"}, "", Page(ROWS, "/api/v1/n")),
        (ROWS, "", Page(ROWS, None)),
        (ROWS, '</p?page=1>; rel="prev", </p?page=3>; rel="next"', Page(ROWS, "/p?page=3")),
        ({"uuid": "1"}, "", Page([{"uuid": "1"}], None)),
        ({"data": {"uuid": "1"}}, "", Page([{"uuid": "1"}], None)),
        ({"data": {"results": ROWS, "next": "/n"}}, "", Page(ROWS, "/n")),
        ({"data": None}, "", Page([], None)),
        (None, "", Page([], None)),
    ],
)
def test_every_envelope_gives_rows_and_the_next_page(answer: Any, link: str, page: Page) -> None:
    assert read_page(answer, link) == page


@pytest.mark.parametrize("answer", ["text", 7, {"success": False, "data": ROWS}])
def test_what_is_no_list_of_rows_is_refused(answer: Any) -> None:
    with pytest.raises(PortalContractError):
        read_page(answer)


@pytest.mark.parametrize(
    ("address", "resolved"),
    [
        ("https://photos.example.com/api/v1/jobs?page=2", "https://photos.example.com/api/v1/jobs?page=2"),
        # A portal behind a proxy does not know that it is asked over TLS.
        ("http://photos.example.com/api/v1/jobs?page=2", "https://photos.example.com/api/v1/jobs?page=2"),
        ("/jobs?page=2&a=%2F", "https://photos.example.com/api/v1/jobs?page=2&a=%2F"),
        ("/apifoo", "https://photos.example.com/api/v1/apifoo"),
        ("/api/v1/jobs?page=2", "https://photos.example.com/api/v1/jobs?page=2"),
        ("?page=2", "https://photos.example.com/api/v1/list?page=2"),
    ],
)
def test_next_pages_are_found_from_every_spelling(address: str, resolved: str) -> None:
    assert str(resolve_next(address, BASE, BASE / "list")) == resolved


@pytest.mark.parametrize("address", ["https://evil.example.net/api", "//evil.example.net/", "file:///etc"])
def test_credentials_follow_no_page_to_another_host(address: str) -> None:
    with pytest.raises(PortalContractError):
        resolve_next(address, BASE, BASE)


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        ([{"access_key": "A"}, {"access_key": "B"}], "A"),
        ({"access_keys": [{"key": "A"}]}, "A"),
        ({"data": ["A", "B"]}, "A"),
        (["A"], "A"),
        ({"access_keys": []}, None),
        ([{"access_key": None}, {"access_key": "B"}], "B"),
        ([], None),
        (None, None),
    ],
)
def test_the_first_access_key_is_taken_from_every_shape(answer: Any, key: str | None) -> None:
    assert first_access_key(answer) == key


def test_users_are_read_in_both_spellings() -> None:
    expected = {"userUuid": "u", "email": "ada@example.com"}
    assert registered_user({"userUuid": "u", "userUsername": "Ada@Example.com"}) == expected
    assert registered_user({"uuid": "u", "email": "ada@example.com"}) == expected
    assert registered_user({"uuid": "u", "userUsername": "ada"})["email"] == ""


@pytest.mark.parametrize(
    "value",
    [
        IMAGE,
        [IMAGE],
        {"uuid": IMAGE},
        [{"uuid": IMAGE}],
        {IMAGE: {"width": 1}, "count": 1},
        {"data": [IMAGE]},
    ],
)
def test_image_ids_are_found_in_every_shape(value: Any) -> None:
    assert image_ids(value) == [IMAGE]


@pytest.mark.parametrize("name", ["favorite_image_uuid", "favoriteImageUuid", "favorite_image", "image"])
def test_the_favourite_is_a_picture_too(name: str) -> None:
    assert subject_images({name: IMAGE, "images": [IMAGE]}) == [IMAGE]


@pytest.mark.parametrize(
    "reference", [{"activity": {"uuid": "a"}}, {"activity_uuid": "a"}, {"activityUuid": "a"}]
)
@pytest.mark.parametrize("is_keyed", [True, False])
@pytest.mark.parametrize("is_nested", [True, False])
def test_pictures_say_which_activity_a_subject_is_in(
    reference: dict[str, Any], is_keyed: bool, is_nested: bool
) -> None:
    images: Any = {IMAGE: reference} if is_keyed else [{"uuid": IMAGE, **reference}]
    details = {"job": {"images": images}} if is_nested else {"success": True, "data": {"images": images}}
    client = NetlifeAPIClient("p", "https://photos.example.com", "u", "p")
    subjects: list[dict[str, Any]] = [
        {"uuid": "s", "images": [{"uuid": IMAGE}]},
        {"uuid": "t"},
        {"uuid": "d", "activity": "b"},
    ]
    assert client.build_subject_activity_mapping(details, subjects) == {"s": {"a"}, "d": {"b"}}


def test_a_subject_may_be_in_several_activities() -> None:
    details = {"images": [{"uuid": "i", "activity_uuid": "a"}], "subjects": {"s": {"activity_uuid": "b"}}}
    subject = {"uuid": "s", "group_images": ["i", {"uuid": "j", "activity": {"uuid": "c"}}]}
    assert map_subjects(details, [subject]) == {"s": {"a", "b", "c"}}


def test_a_single_thing_comes_out_of_its_envelope() -> None:
    assert first_row({"success": True, "data": {"uuid": "1"}}) == {"uuid": "1"}
    assert first_row({"results": [{"uuid": "1"}]}) == {"uuid": "1"}
    assert first_row([]) == {}


def test_the_figures_of_the_first_client_hold() -> None:
    names = {"activities_search", "job_details", "job_subjects", "subject_access_keys"}
    assert names <= set(API_ENDPOINTS)
    limits = PERFORMANCE_CONFIG
    assert (limits.timeout, limits.retry_attempts, limits.retry_backoff) == (30, 3, 1.5)
    assert (limits.max_concurrent_jobs, limits.slow_timeout, limits.longest_pause) == (10, 120, 30)
    assert ACTIVITY_CONFIG == {"target_status": "in-webshop"}
    assert SMS_DEFAULTS == {"message_template": "Your photos are ready!", "sender_id": "Netlife"}
    assert get_timestamp().endswith("+00:00")


def test_portals_have_their_brand() -> None:
    assert len(ALLOWED_PORTALS) == 9
    assert ALLOWED_PORTALS["nowandgen"] == "https://nowandgen.shop/api/v1"
    assert [brand_of(name) for name in ("nowandgen", "legacyphoto", "other")] == [
        "Generations",
        "Legacy",
        "Unknown",
    ]
    client = NetlifeAPIClient("westpointportraits", ALLOWED_PORTALS["westpointportraits"], "u", "p")
    assert (client.portal_brand, client.origin) == ("Legacy", "https://westpointportraits.shop")


@pytest.mark.parametrize(
    ("address", "is_safe"),
    [
        ("https://photos.example.com/api/v1", True),
        ("http://127.0.0.1:8080/api/v1", True),
        ("http://photos.example.com/api/v1", False),
        ("https://user:secret@photos.example.com/", False),
        ("https://photos.example.com/?x", False),
        ("http://127.0.0.1@photos.example.com/", False),
        ("ftp://photos.example.com", False),
        ("photos.example.com", False),
    ],
)
def test_credentials_are_sent_over_tls_only(address: str, is_safe: bool) -> None:
    assert is_safe_address(address) is is_safe


def test_paths_are_shown_without_ids_and_query() -> None:
    shown = shown_path(f"/api/v1/jobs/{IMAGE}/subjects?filter_has_order=true")
    assert shown == f"/api/v1/jobs/{hash8(IMAGE)}/subjects"
    assert IMAGE[:8] not in shown


def test_outputs_are_files_or_objects() -> None:
    assert isinstance(parse_output("contacts.csv"), FileOutput)
    assert parse_output("s3://photo-contacts/2026/a b.csv") == S3Output("photo-contacts", "2026/a b.csv")


@pytest.mark.parametrize(
    "text", ["", "s3://photo-contacts", "s3://photo-contacts/folder/", "https://x/y.csv"]
)
def test_other_outputs_are_refused(text: str) -> None:
    with pytest.raises(PortalContractError):
        parse_output(text)
