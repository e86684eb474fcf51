-- Orders of the ticket shop, made of what webhooks say of them.

CREATE TABLE shop_order (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL,
    source          text NOT NULL CHECK (source IN ('make', 'fienta')),
    external_id     text COLLATE "C" NOT NULL,      -- the shop's id
    status          text NOT NULL CHECK (status IN ('pending', 'completed', 'cancelled', 'refunded')),
    total_minor     bigint,                         -- in the smallest unit of its currency
    currency        text CHECK (currency ~ '^[A-Z]{3}$'),
    customer_email  text,
    customer_name   text,
    event_ref       text,
    ordered_at      timestamptz NOT NULL,
    status_at       timestamptz NOT NULL,           -- since when it has its status
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, source, external_id)
);
CREATE INDEX shop_order_newest ON shop_order (tenant_id, ordered_at, id);
SELECT enable_tenant_rls('shop_order');

-- What each webhook said. They come in any order; the order is computed from all of them.
CREATE TABLE order_fact (
    tenant_id    uuid NOT NULL,
    order_id     uuid NOT NULL,
    inbound_id   uuid NOT NULL,                     -- of the webhook: one that is replayed is the same fact
    status       text CHECK (status IN ('pending', 'completed', 'cancelled', 'refunded')),
    at           timestamptz,                       -- the sender's own time
    received_at  timestamptz NOT NULL,
    details      jsonb NOT NULL,
    PRIMARY KEY (tenant_id, order_id, inbound_id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES shop_order (tenant_id, id) ON DELETE CASCADE
);
SELECT enable_tenant_rls('order_fact');

CREATE TABLE order_line (
    tenant_id   uuid NOT NULL,
    order_id    uuid NOT NULL,
    position    integer NOT NULL,
    name        text NOT NULL,
    quantity    integer NOT NULL CHECK (quantity >= 0),
    unit_minor  bigint,
    PRIMARY KEY (tenant_id, order_id, position),
    FOREIGN KEY (tenant_id, order_id) REFERENCES shop_order (tenant_id, id) ON DELETE CASCADE
);
SELECT enable_tenant_rls('order_line');

-- Discount codes as the shop wrote them. `code_id` is our code, when we had it at that time.
CREATE TABLE order_code (
    tenant_id  uuid NOT NULL,
    order_id   uuid NOT NULL,
    code       text NOT NULL,
    code_norm  text COLLATE "C" GENERATED ALWAYS AS (upper(code COLLATE "C")) STORED,
    code_id    uuid,
    PRIMARY KEY (tenant_id, order_id, code_norm),
    FOREIGN KEY (tenant_id, order_id) REFERENCES shop_order (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, code_id) REFERENCES code (tenant_id, id)
);
CREATE INDEX order_code_by_code ON order_code (tenant_id, code_norm);
CREATE INDEX order_code_by_row ON order_code (tenant_id, code_id) WHERE code_id IS NOT NULL;
SELECT enable_tenant_rls('order_code');
