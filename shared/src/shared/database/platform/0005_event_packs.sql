-- A statement that has many events to tell may write them as one row, at a fraction of the cost of a row for each:
-- `data` is then an array of objects with id (UUIDv7), type, subject, correlation_id and data; all else is the row's.
ALTER TABLE outbox
    ALTER type DROP NOT NULL,
    ADD pack_size int CHECK (pack_size >= 1),       -- events in `data`; NULL: the row is one event
    ADD CHECK ((type IS NULL) = (pack_size IS NOT NULL));
