"""Which codes a user's regular expression matches, without giving it the power to hang this process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence

from code_service.automation.planning.model import PlanError

_SECONDS = 5.0
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH")
# Python's engine can take for ever over a short text, and nothing can interrupt it: so a process of its own.
_PROGRAM = (
    "import json,re,sys\n"
    "given=json.load(sys.stdin)\n"
    "pattern=re.compile(given['pattern'])\n"
    "json.dump([pattern.search(text) is not None for text in given['texts']],sys.stdout)\n"
)


def check_pattern(pattern: str) -> None:
    """Raise PlanError for what is no regular expression."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise PlanError(f"the pattern is not a regular expression: {error}") from error


def matching(pattern: str, texts: Sequence[str], seconds: float = _SECONDS) -> list[bool]:
    """For each text whether the pattern is found in it. PlanError for a pattern that is wrong or too slow."""
    check_pattern(pattern)
    try:
        done = subprocess.run(  # our own program; the pattern travels as data
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            input=json.dumps({"pattern": pattern, "texts": list(texts)}),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=True,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise PlanError("the pattern takes too long to match; make it simpler") from error
    answer: list[bool] = json.loads(done.stdout)
    return answer
