-- A schedule is checked again when it is due, unless an administrator wanted it in spite of errors.
ALTER TABLE campaign ADD COLUMN is_forced boolean NOT NULL DEFAULT false;
