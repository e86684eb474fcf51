-- A statement that has many events to tell may write them as one row, at a fraction of the cost of a row for each:
-- `data` is then an array of objects with type, subject, correlation_id and data; all else is the row's. The id of the
-- nth of them, counted from 0, is the row's with n as its last two bytes: random numbers are what an event costs most.
ALTER TABLE outbox
    ALTER type DROP NOT NULL,
    ADD pack_size int CHECK (pack_size BETWEEN 1 AND 65536),  -- events in `data`; NULL: the row is one event
    ADD CHECK ((type IS NULL) = (pack_size IS NOT NULL));
