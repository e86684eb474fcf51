-- What a visitor's address is mixed with, another secret for each UTC day. It is deleted two days later: from then
-- on nobody, with whatever key, can tell which address stands behind a visitor.
CREATE TABLE visitor_salt (
    day   date PRIMARY KEY,
    salt  bytea NOT NULL CHECK (length(salt) = 32)
);
SELECT enable_system_table('visitor_salt');
