"""Settings of auth-service. Numbers are requirements; docs/adr explains the surprising ones."""

from __future__ import annotations

import os

from pydantic import Field

from shared.config import CommonConfig, Seconds


class AuthSettings(CommonConfig):
    """Argon2 defaults are the RFC 9106 low-memory profile; times are in seconds unless a unit is given."""

    argon2_time_cost: int = Field(default=3, ge=1)
    argon2_memory_kib: int = Field(default=65536, ge=8)
    argon2_parallelism: int = Field(default=4, ge=1)
    # Each running hash holds argon2_memory_kib, so this also bounds memory.
    hash_concurrency: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    hash_queue: int = Field(default=100, ge=1)

    session_idle: Seconds = 14 * 86400
    session_absolute: Seconds = 90 * 86400
    # Owners and admins can do the most harm, so a forgotten session of theirs ends the same day.
    admin_session: Seconds = 12 * 3600
    refresh_grace: Seconds = 30
    fresh_login: Seconds = 600
    api_key_token: Seconds = 300

    verify_token_ttl: Seconds = 3600
    reset_token_ttl: Seconds = 3600

    login_free_attempts: int = 5
    login_delay_cap: Seconds = 300
    login_ip_failures: int = 10
    login_ip_window: Seconds = 300
    register_ip_limit: int = 100
    register_address_limit: int = 5
    mail_address_limit: int = 5

    key_rotation: Seconds = 30 * 86400
    jwks_max_age: Seconds = 600
