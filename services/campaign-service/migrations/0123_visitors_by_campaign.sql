-- A click asks first whether its visitor has been in the campaign before.
ALTER TABLE sms_visitor
  DROP CONSTRAINT sms_visitor_pkey,
  ADD PRIMARY KEY (tenant_id, campaign_id, visitor, variant, link_index);
