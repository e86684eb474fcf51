-- Sign-ins that are being checked count apart from those that failed, so that many right ones at a time
-- are not taken for guesses.
ALTER TABLE login_throttle RENAME COLUMN attempts TO failures;
ALTER TABLE login_throttle ADD COLUMN in_flight integer NOT NULL DEFAULT 0 CHECK (in_flight >= 0);
ALTER TABLE login_throttle ADD COLUMN started_at timestamptz NOT NULL DEFAULT '-infinity';
