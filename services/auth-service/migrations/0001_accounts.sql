-- Tenants, members, sessions, one-time tokens, API keys, login throttle, signing keys, audit log.
-- Later steps add MFA (its own tables keyed by tenant_id, user_id) and invitations (purpose
-- 'invitation' of one_time_token); nothing here has to change for them.

CREATE TABLE tenant (
    tenant_id       uuid        NOT NULL PRIMARY KEY,
    name            text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 120),
    slug            text        NOT NULL CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    status          text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    time_zone       text        NOT NULL DEFAULT 'UTC',
    brand_domain    text,
    sending_domains text[]      NOT NULL DEFAULT '{}',
    retention_days  integer     NOT NULL DEFAULT 365 CHECK (retention_days BETWEEN 30 AND 3650),
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    CONSTRAINT tenant_slug_key UNIQUE (slug)
);
SELECT enable_tenant_rls('tenant');

CREATE TABLE member (
    tenant_id         uuid        NOT NULL REFERENCES tenant (tenant_id),
    id                uuid        NOT NULL,
    email             text        NOT NULL CHECK (char_length(email) BETWEEN 3 AND 254),
    email_lower       text        NOT NULL GENERATED ALWAYS AS (lower(email)) STORED,
    email_verified_at timestamptz,
    password_hash     text,
    first_name        text        NOT NULL DEFAULT '',
    last_name         text        NOT NULL DEFAULT '',
    language          text        NOT NULL DEFAULT 'en',
    role              text        NOT NULL CHECK (role IN ('owner', 'admin', 'operator', 'viewer')),
    status            text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    last_login_at     timestamptz,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT member_email_per_tenant UNIQUE (tenant_id, email_lower)
);
SELECT enable_tenant_rls('member');
-- Login finds people by address alone, across tenants (worker role). An address counts as taken only
-- once its mailbox has been proven, so nobody can squat on someone else's address.
CREATE UNIQUE INDEX member_proven_email ON member (email_lower) WHERE email_verified_at IS NOT NULL;
CREATE INDEX member_login_lookup ON member (email_lower, created_at DESC);

CREATE TABLE session (
    tenant_id        uuid          NOT NULL,
    id               uuid          NOT NULL,
    user_id          uuid          NOT NULL,
    refresh_key      bytea         NOT NULL,
    counter          integer       NOT NULL DEFAULT 0 CHECK (counter >= 0),
    rotations        timestamptz[] NOT NULL DEFAULT '{}',
    created_at       timestamptz   NOT NULL,
    authenticated_at timestamptz   NOT NULL,
    last_used_at     timestamptz   NOT NULL,
    idle_expires_at  timestamptz   NOT NULL,
    expires_at       timestamptz   NOT NULL,
    ip               text,
    ip_network       text,
    user_agent       text,
    revoked_at       timestamptz,
    revoke_reason    text CHECK (revoke_reason IN (
        'logout', 'user', 'refresh_reuse', 'password_change', 'password_reset',
        'role_change', 'member_disabled', 'superseded')),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES member (tenant_id, id) ON DELETE CASCADE,
    CHECK ((revoked_at IS NULL) = (revoke_reason IS NULL))
);
SELECT enable_tenant_rls('session');
CREATE INDEX session_by_user ON session (tenant_id, user_id, created_at DESC);
-- Housekeeping looks for ended sessions of all tenants.
CREATE INDEX session_expiry ON session (expires_at);

CREATE TABLE one_time_token (
    tenant_id  uuid        NOT NULL,
    id         uuid        NOT NULL,
    user_id    uuid        NOT NULL,
    purpose    text        NOT NULL CHECK (purpose IN ('verify_email', 'password_reset', 'invitation', 'email_change')),
    token_hash bytea       NOT NULL CHECK (octet_length(token_hash) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES member (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT one_time_token_live UNIQUE (tenant_id, user_id, purpose),
    CONSTRAINT one_time_token_hash UNIQUE (tenant_id, token_hash)
);
SELECT enable_tenant_rls('one_time_token');
CREATE INDEX one_time_token_expiry ON one_time_token (expires_at);

CREATE TABLE api_key (
    tenant_id    uuid        NOT NULL REFERENCES tenant (tenant_id),
    id           uuid        NOT NULL,
    name         text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    prefix       text        NOT NULL,
    key_hash     bytea       NOT NULL CHECK (octet_length(key_hash) = 32),
    scopes       text[]      NOT NULL CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'write', 'admin']),
    -- No foreign key: the key outlives nobody, but its record does (see the exchange query).
    created_by   uuid        NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    replaced_by  uuid,
    PRIMARY KEY (tenant_id, id)
);
SELECT enable_tenant_rls('api_key');
CREATE INDEX api_key_list ON api_key (tenant_id, created_at DESC, id DESC);
-- The exchange knows only the key, not its tenant (worker role).
CREATE UNIQUE INDEX api_key_by_hash ON api_key (key_hash);

-- Failed logins of one account: the wait grows, nobody is locked out. Keys are digests of addresses.
CREATE TABLE login_throttle (
    bucket        text        COLLATE "C" NOT NULL PRIMARY KEY,
    attempts      integer     NOT NULL,
    blocked_until timestamptz NOT NULL,
    forget_at     timestamptz NOT NULL
);
SELECT enable_system_table('login_throttle');
CREATE INDEX login_throttle_forget ON login_throttle (forget_at);

CREATE TABLE signing_key (
    kid           text        NOT NULL PRIMARY KEY,
    alg           text        NOT NULL CHECK (alg = 'EdDSA'),
    public_x      text        NOT NULL,
    private_key   bytea,
    state         text        NOT NULL CHECK (state IN ('pending', 'active', 'retiring', 'retired')),
    created_at    timestamptz NOT NULL,
    not_before    timestamptz NOT NULL,
    activated_at  timestamptz,
    retiring_at   timestamptz,
    retired_at    timestamptz,
    -- A key that signs no more keeps no private part.
    CHECK ((private_key IS NULL) = (state IN ('retiring', 'retired')))
);
SELECT enable_system_table('signing_key');
CREATE UNIQUE INDEX signing_key_one_active ON signing_key (state) WHERE state = 'active';
CREATE UNIQUE INDEX signing_key_one_pending ON signing_key (state) WHERE state = 'pending';

CREATE TABLE audit_log (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    actor_kind  text        NOT NULL CHECK (actor_kind IN ('user', 'api_key', 'service', 'system', 'anonymous')),
    actor_id    text,
    acting_for  uuid,
    action      text        NOT NULL,
    target_kind text        NOT NULL,
    target_id   text,
    ip          text,
    user_agent  text,
    request_id  text,
    changes     jsonb       NOT NULL DEFAULT '{}',
    at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT enable_tenant_rls('audit_log');
CREATE INDEX audit_log_by_time ON audit_log (tenant_id, at DESC, id DESC);
-- Append-only for everything that runs: history can be neither rewritten nor emptied.
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM tidings_auth_rw, tidings_auth_worker;
