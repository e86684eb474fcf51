"""Portals, paths and figures of the portal API."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from campaign_service.netlife.errors import PortalContractError

Brand = Literal["Generations", "Legacy", "Unknown"]
AccessKeyPath = Literal["accesskeys", "access_keys"]

_GENERATIONS = ("nowandforeverphoto", "generationsphotos", "nowandgen")
_LEGACY = (
    "legacyseniorphotos",
    "legacyphoto",
    "legacyphotos",
    "westpointportraits",
    "midshipmenportraits",
    "coastguardportraits",
)
ALLOWED_PORTALS: dict[str, str] = {name: f"https://{name}.shop/api/v1" for name in (*_GENERATIONS, *_LEGACY)}

API_ENDPOINTS: dict[str, str] = {
    "activities_search": "/activities/search",
    "job_details": "/jobs/{job_uuid}",
    "job_subjects": "/jobs/{job_uuid}/subjects",
    "job_users": "/jobs/{job_uuid}/users",
    "subject_users": "/jobs/{job_uuid}/subjects/{subject_uuid}/users",
    "user_details": "/users/{user_uuid}",
    "subject_access_keys": "/jobs/{job_uuid}/subjects/{subject_uuid}/{access_key_path}",
}
ACTIVITY_CONFIG = {"target_status": "in-webshop"}
SMS_DEFAULTS = {"message_template": "Your photos are ready!", "sender_id": "Netlife"}

_WORDS = frozenset(
    "api v1 activities search jobs subjects users accesskeys access_keys".split()  # noqa: SIM905
)
_CREDENTIALS_IN_CLEAR = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Performance:
    """Limits of one client. Times are in seconds.

    A timeout, a broken connection or a broken answer is tried again after `retry_backoff ** n`, a 5xx after
    0.75 * 2^(n-1) but at most 12, both `retry_attempts` times in all; a 429 after its Retry-After, at most
    `longest_pause`, `rate_limit_attempts` times. `slow_timeout` is for answers as large as a job.
    """

    timeout: float = 30.0
    slow_timeout: float = 120.0
    retry_attempts: int = 3
    retry_backoff: float = 1.5
    rate_limit_attempts: int = 10
    longest_pause: float = 30.0
    max_concurrent_jobs: int = 10
    max_answer_bytes: int = 64 * 1024 * 1024


PERFORMANCE_CONFIG = Performance()


def brand_of(portal_name: str) -> Brand:
    if portal_name in _GENERATIONS:
        return "Generations"
    return "Legacy" if portal_name in _LEGACY else "Unknown"


def is_safe_address(base_url: str) -> bool:
    """Whether credentials may be sent there: over TLS, or to this machine itself."""
    match = re.fullmatch(r"(https?)://(\[[^\]]+\]|[^/:@?#\s]+)(?::\d+)?(?:/[^?#\s]*)?", base_url)
    if match is None:
        return False
    return match[1] == "https" or match[2].strip("[]") in _CREDENTIALS_IN_CLEAR


def check_address(base_url: str) -> str:
    """The address without a slash at its end. Raises PortalContractError for one that is not safe."""
    if not is_safe_address(base_url):
        raise PortalContractError("a portal's address begins with https://, without user, query or fragment")
    return base_url.rstrip("/")


def get_timestamp() -> str:
    """Now, in ISO format, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def hash8(value: object) -> str:
    """An id as logs may show it: the same for the same id, and no way back."""
    return "hash:" + hashlib.sha256(str(value).encode()).hexdigest()[:8]


def shown_path(path: str) -> str:
    """A path as logs may show it: without its query, ids hashed."""
    parts = path.split("?", 1)[0].split("/")
    return "/".join(part if not part or part in _WORDS else hash8(part) for part in parts)
