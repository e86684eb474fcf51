-- When an order's customer was removed; what comes about the order later does not bring them back.

ALTER TABLE shop_order ADD COLUMN customer_forgotten_at timestamptz;
