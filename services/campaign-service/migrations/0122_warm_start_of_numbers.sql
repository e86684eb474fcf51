-- A number that is new sends few texts of campaigns a day at first: warm_first on its first day of sending, and
-- warm_growth times as many on each that follows.
ALTER TABLE phone_number
  ADD COLUMN warm_first  integer CHECK (warm_first > 0),
  ADD COLUMN warm_growth double precision NOT NULL DEFAULT 2 CHECK (warm_growth BETWEEN 1 AND 10);

-- Texts of campaigns: how many went on `day`, and on how many days before it some did.
ALTER TABLE sms_sender
  ADD COLUMN day         date,
  ADD COLUMN sent        integer NOT NULL DEFAULT 0,
  ADD COLUMN days_before integer NOT NULL DEFAULT 0;
