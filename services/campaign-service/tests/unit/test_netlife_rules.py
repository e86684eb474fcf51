import csv
import io
from dataclasses import replace
from typing import Any

import pytest

from campaign_service.netlife.contacts import CSV_COLUMNS, PortalContact, to_csv
from campaign_service.netlife.importing import file_rows
from campaign_service.netlife.rules import format_phone, international, reach, sources_of, student_name


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("201-555-0123", "+1 (201) 555-0123"),
        ("1 (201) 555 0123", "+1 (201) 555-0123"),
        ("+1.201.555.0123", "+1 (201) 555-0123"),
        ("555-0123", ""),
        ("call me", ""),
        ("", ""),
        ("0012015550123", "+1 2015550123"),
        ("22015550123", "+1 2015550123"),
    ],
)
def test_phones_are_written_as_the_portals_do(typed: str, shown: str) -> None:
    assert format_phone(typed) == shown


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("(201) 555-0123", "+12015550123"),
        ("+47 22 12 34 56", "+4722123456"),
        ("0012015550123", ""),
        ("000 000 0000", ""),
        ("mom", ""),
    ],
)
def test_messages_go_to_real_numbers_of_their_own_country(typed: str, number: str) -> None:
    assert international(typed) == number


SUBJECT: dict[str, Any] = {
    "delivery_1": {"name": "Bo Brook", "email_address": "Bo@Example.com", "mobile_phone": "2025550101"},
    "delivery_2": {"name": "Cy Crane", "email_address": "cy@example.com", "mobile_phone": "2035550102"},
    "email": "child@example.com",
    "phone_number": "2125550103",
}
USER = {"name": "Ada Ash", "email_address": "ada@example.com", "phone_number": "2015550100"}


def test_the_registered_user_comes_before_deliveries() -> None:
    found = reach(sources_of(SUBJECT, "", USER), "Kim Ash")
    assert found.phones == ("+1 (201) 555-0100", "+1 (202) 555-0101")
    assert found.emails == ("ada@example.com", "bo@example.com")
    assert (found.parent_name, found.strategy) == ("Ada Ash", "registered_user")
    assert found.mobile == "+12015550100"


def test_a_second_value_is_another_one_than_the_first() -> None:
    user = {"email_address": "BO@example.com", "phone_number": "1-202-555-0101"}
    found = reach(sources_of(SUBJECT, "", user), "Kim Ash")
    assert found.phones == ("+1 (202) 555-0101", "+1 (203) 555-0102")
    assert found.emails == ("bo@example.com", "cy@example.com")


def test_a_user_without_details_is_reached_at_the_address_of_the_list() -> None:
    found = reach(sources_of({}, "ada@example.com", None), "Kim Ash")
    assert (found.emails, found.strategy) == (("ada@example.com",), "registered_user")


def test_the_subjects_own_fields_come_last() -> None:
    own = {"email": "kin@example.com", "parent_name": "Dov Elm"}
    found = reach(sources_of(own, "", None), "Kim Ash")
    assert (found.emails, found.strategy, found.parent_name) == (("kin@example.com",), "subject", "Dov Elm")


def test_what_has_no_at_sign_is_no_address() -> None:
    found = reach(sources_of({"delivery_1": {"email_address": "none", "mobile_phone": "12"}}, "", None), "")
    assert (found.emails, found.phones, found.strategy) == ((), (), None)


def test_a_parcel_for_the_student_does_not_name_the_parent() -> None:
    subject = {"delivery_1": SUBJECT["delivery_1"] | {"name": "KIM ASH"}, "delivery_2": SUBJECT["delivery_2"]}
    assert reach(sources_of(subject, "", None), "Kim Ash").parent_name == "Cy Crane"


def test_a_registered_user_may_have_the_students_name() -> None:
    assert reach(sources_of({}, "", USER), "Ada Ash").parent_name == "Ada Ash"


@pytest.mark.parametrize(
    ("subject", "names"),
    [
        ({"first_name": "Kim", "last_name": "Ash"}, ("Kim", "Ash")),
        ({"name": "Kim Jo Ash"}, ("Kim Jo", "Ash")),
        ({"name": "Kim"}, ("Kim", "")),
        ({}, ("", "")),
    ],
)
def test_a_single_name_is_split(subject: dict[str, Any], names: tuple[str, str]) -> None:
    assert student_name(subject) == names


def contact(**changed: str) -> PortalContact:
    values = {name: name for name in CSV_COLUMNS} | {"email": "a@example.com", "buyer": "No"}
    return replace(PortalContact(**values, priority=1, mobile="+12015550100"), **changed)  # type: ignore[arg-type]


def test_the_csv_has_exactly_the_agreed_columns() -> None:
    assert to_csv([]) == (
        "portal,job_uuid,job_name,subject_uuid,external_id,first_name,last_name,parent_name,phone_number,"
        "phone_number_2,email,email_2,country,group,buyer,access_code,url,custom_gallery_url,"
        "sms_marketing_consent,sms_marketing_timestamp,sms_transactional_consent,"
        "sms_transactional_timestamp,activity_uuid,activity_name,registered_user,registered_user_email,"
        "registered_user_uuid,resolution_strategy\r\n"
    )
    assert len(CSV_COLUMNS) == 28


def test_commas_quotes_and_line_ends_in_names_keep_their_cell() -> None:
    name = 'Brook, Jr. "Gee"\nthe 2nd'
    text = to_csv([contact(last_name=name, group="")])
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["last_name"] == name
    assert row["resolution_strategy"] == "resolution_strategy"
    assert None not in row


def test_names_are_no_formulas_but_numbers_keep_their_plus() -> None:
    text = to_csv([contact(first_name="=1+1", phone_number="+1 (201) 555-0100")])
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert (row["first_name"], row["phone_number"]) == ("'=1+1", "+1 (201) 555-0100")


def test_brothers_and_sisters_are_one_person_to_write_to() -> None:
    contacts = [
        contact(subject_uuid="s1", custom_gallery_url="https://p.example.com/?code=1", parent_name="Ada Ash"),
        contact(subject_uuid="s2", custom_gallery_url="https://p.example.com/?code=2", buyer="Yes"),
        contact(subject_uuid="s3", email=""),
    ]
    person, other = file_rows(contacts)
    assert person["gallery_url"] == "https://p.example.com/?code=1"
    assert person["gallery_urls"] == "https://p.example.com/?code=1 https://p.example.com/?code=2"
    assert (person["parent"], person["buyer"], person["tags"]) == ("Ada Ash", "Yes", "buyer")
    assert (other["email"], other["phone"]) == ("", "+12015550100")


def test_an_address_of_a_whole_school_keeps_its_row_readable() -> None:
    many = [contact(custom_gallery_url=f"https://p.example.com/?code={n}") for n in range(300)]
    (person,) = file_rows([contact(first_name="Kim\nJo"), *many])
    assert len(person["gallery_urls"].split()) == 20
    assert person["student_first_name"] == "Kim Jo"
