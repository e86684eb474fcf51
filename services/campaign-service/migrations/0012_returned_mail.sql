-- Bounces, complaints and unsubscribe requests also come by mail.
ALTER TABLE delivery_issue DROP CONSTRAINT delivery_issue_source_check;
ALTER TABLE delivery_issue ADD CONSTRAINT delivery_issue_source_check
    CHECK (source IN ('powermta', 'mailwizz', 'mail'));
