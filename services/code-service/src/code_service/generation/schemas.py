"""Shapes of bulk generation and of batches."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, field_validator, model_validator

from code_service.codes.schemas import CODE_PATTERN, CodeFields
from code_service.generation.patterns import CHARSETS, Pattern

MAX_CODES = 1_000_000
Affix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,32}$")]


class BulkIn(CodeFields):
    """Codes to make. `#` in the pattern is a random character; without a pattern there are `length` of them.

    `charset` is a name (safe, numbers, alphabetic, alphanumeric) or the characters themselves. Case does not
    tell codes apart.
    """

    count: Annotated[int, Field(ge=1, le=MAX_CODES)]
    pattern: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._#-]{1,64}$")] | None = None
    length: Annotated[int, Field(ge=1, le=40)] = 10
    charset: Annotated[str, StringConstraints(min_length=2, max_length=64)] = "safe"
    prefix: Affix = ""
    postfix: Affix = ""
    check_symbol: bool = False

    @field_validator("charset")
    @classmethod
    def _distinct(cls, charset: str) -> str:
        alphabet = CHARSETS.get(charset, charset)
        if not (alphabet.isascii() and alphabet.isalnum()):
            raise ValueError("a charset has only letters and digits")
        if len(set(alphabet.upper())) < 2:
            raise ValueError("a charset has at least two different characters")
        return charset

    @model_validator(mode="after")
    def _makes_codes(self) -> BulkIn:
        sample = self.compiled().code(0)
        if not re.fullmatch(CODE_PATTERN, sample):
            raise ValueError("codes begin with a letter or digit and have at most 64 characters")
        return self

    def compiled(self) -> Pattern:
        chosen = CHARSETS.get(self.charset, self.charset)
        # Characters that differ in case alone make the same codes.
        alphabet = "".join({char.upper(): char for char in reversed(chosen)}.values())[::-1]
        text = self.pattern or "#" * self.length
        return Pattern(text, alphabet, self.prefix, self.postfix, self.check_symbol)


class BatchAccepted(BaseModel):
    """The job makes the codes; they carry `batch_id`."""

    batch_id: UUID
    job_id: UUID


class BatchOut(BaseModel):
    """`rejected` rows of an import are listed with their reasons."""

    id: UUID
    kind: Literal["generate", "import"]
    job_id: UUID
    filename: str | None
    wanted: int | None
    made: int
    rejected: int
    created_by: str
    created_at: datetime


class RejectionOut(BaseModel):
    line_number: int
    reason_code: str
    reason: str
    raw: str
