"""What several features share in their requests and answers."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from shared.utils.validation import is_email

_UNWANTED = re.compile(r"[\x00-\x1f\x7f<>]|://|www\.", re.IGNORECASE)


class Body(BaseModel):
    """A request body. Unknown fields are refused, so that a typing error is not ignored."""

    model_config = ConfigDict(extra="forbid")


def _email(value: str) -> str:
    address = value.strip()
    if not is_email(address):
        raise ValueError("not a valid e-mail address")
    return address


def _plain_text(value: str) -> str:
    """Names appear in mails to addresses nobody has proven yet: they must not carry a stranger's link."""
    if _UNWANTED.search(value):
        raise ValueError("may not hold links, angle brackets or control characters")
    return value


Email = Annotated[str, Field(max_length=254, examples=["ada@example.com"]), AfterValidator(_email)]
_Stripped = StringConstraints(strip_whitespace=True)
PersonName = Annotated[str, _Stripped, Field(max_length=100), AfterValidator(_plain_text)]
KeyName = Annotated[str, _Stripped, Field(min_length=1, max_length=100), AfterValidator(_plain_text)]
OrganisationName = Annotated[str, _Stripped, Field(min_length=1, max_length=120), AfterValidator(_plain_text)]
# Bounded before any work is done; the real rules are those of check_new_password.
Password = Annotated[str, Field(min_length=1, max_length=1024)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$", examples=["en"])]
